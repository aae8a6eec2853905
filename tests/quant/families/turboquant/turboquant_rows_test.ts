/** Rows in WebAssembly against sums written out in float64, to the last bit. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import { quickRows } from "../../../../quant/families/turboquant/turboquant_rows.ts";
import {
  turboquantLayout,
  type TurboquantSettings,
  turboquantTables,
} from "../../../../quant/families/turboquant/turboquant_settings.ts";
import { TurboquantStoreCpu } from "../../../../quant/families/turboquant/turboquant_store_cpu.ts";
import { packRow } from "../../../../quant/packing/bit_packing.ts";
import { KV_LOOKS, kvData } from "../../kv_data.ts";

const FOLDER = new URL("../../../../quant/families/turboquant/", import.meta.url);

function settingsOf(
  given: Pick<TurboquantSettings, "headDim" | "bits"> & Partial<TurboquantSettings>,
): TurboquantSettings {
  return {
    family: "turboquant",
    layer: 0,
    kind: "key",
    variant: "mse",
    rotation: "qr",
    seed: 0,
    residualLength: 0,
    paramDtype: "f32",
    ...given,
  };
}

/** Codes and restored entries of a cache, and what plain loops give. */
async function both(settings: TurboquantSettings, data: Float32Array<ArrayBuffer>) {
  const { headDim, bits } = settings;
  const heads = bits.length;
  const tokens = data.length / heads / headDim;
  const tensor = { heads, capacity: tokens, headDim, data };
  const source = { layer: 0, kind: "key" as const, promptTokens: tokens, tensor };
  const store = new TurboquantStoreCpu(
    { ...source, siblings: [], shared: new Map() },
    settings,
    tokens,
  );
  store.grow(tokens);
  const restored = { ...tensor, data: new Float32Array(data.length) };
  store.restore(restored);
  const [codes, norms] = await store.contents();
  return {
    found: { codes: codes!.words, restored: restored.data },
    expected: writtenOut(settings, data, new Float32Array(norms!.words.buffer)),
  };
}

function writtenOut(settings: TurboquantSettings, data: Float32Array, norms: Float32Array) {
  const { headDim, bits } = settings;
  const { rotation, inverse, levels } = turboquantTables(settings);
  const { tokenWords, wordOffsets } = turboquantLayout(settings);
  const heads = bits.length;
  const tokens = data.length / heads / headDim;
  const words = new Uint32Array(tokens * tokenWords);
  const restored = new Float32Array(data.length);
  for (let head = 0; head < heads; head++) {
    const values = levels[head]!;
    for (let token = 0; token < tokens; token++) {
      const from = (head * tokens + token) * headDim;
      const vector = Float64Array.from(data.subarray(from, from + headDim));
      const scale = 1 / (Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0)) + 1e-10);
      const row = Int32Array.from(vector, (_, c) => {
        const x = vector.reduce((sum, x, i) => sum + x * scale * rotation[c * headDim + i]!, 0);
        return values.findLastIndex((level, i) => i === 0 || x > (values[i - 1]! + level) / 2);
      });
      packRow(row, headDim, bits[head]!, words, token * tokenWords + wordOffsets[head]!);
      for (let c = 0; c < headDim; c++) {
        const sum = row.reduce(
          (sum, code, i) => sum + values[code]! * inverse[c * headDim + i]!,
          0,
        );
        restored[from + c] = sum * norms[token * heads + head]!;
      }
    }
  }
  return { codes: words, restored };
}

Deno.test("rows have the codes and values of sums in the order of the channels", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(16, 48, 64, 80),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 150 }),
      fc.constantFrom(...KV_LOOKS),
      fc.nat({ max: 1e6 }),
      async (headDim, bits, tokens, look, seed) => {
        const settings = settingsOf({ headDim, bits, seed: seed % 3 });
        const data = kvData(bits.length * tokens, headDim, look, seed);
        const { found, expected } = await both(settings, data);
        assertEquals(found, expected);
      },
    ),
    { numRuns: 25 },
  );
});

Deno.test("what lies next to a midpoint, or between two floats, is settled in float64", async () => {
  const headDim = 64;
  const settings = settingsOf({
    headDim,
    bits: [2],
    calibration: {
      rotation: Float32Array.from(
        { length: headDim ** 2 },
        (_, i) => i % (headDim + 1) === 0 ? 1 : 0,
      ),
      // A midpoint at 1/8; times 3 the last level lies between two floats.
      centroids: Float32Array.of(-1, -0.125, 0.375, 1 + 2 ** -23),
    },
  });
  // Lengths of 8 times 1, less a little, 3 times one entry, and 0.
  const rows = [1, -1, 1 + 2 ** -20, 1 - 2 ** -20].map((x) => new Array(headDim).fill(x));
  rows.push([3, ...new Array(headDim - 1).fill(0)], new Array(headDim).fill(0));
  const { found, expected } = await both(settings, Float32Array.from(rows.flat()));
  assertEquals(found, expected);
  assertEquals(expected.restored[4 * headDim], 3 + 2 ** -21);
  assert(Object.is(found.restored[5 * headDim], expected.restored[5 * headDim]));
});

Deno.test("kernels are for vectors of 16 channels each, few levels and tables that are near", () => {
  const quick = (given: Parameters<typeof settingsOf>[0]) => {
    const settings = settingsOf(given);
    const { coder, sums } = quickRows(settings, turboquantTables(settings), 0);
    return [coder !== undefined, sums !== undefined];
  };
  assertEquals(quick({ headDim: 64, bits: [3] }), [true, true]);
  assertEquals(quick({ headDim: 128, bits: [3] }), [true, false]);
  assertEquals(quick({ headDim: 64, bits: [5] }), [false, false]);
  assertEquals(quick({ headDim: 40, bits: [3] }), [false, false]);
  assertEquals(quick({ headDim: 64, bits: [3], rotation: "hadamard" }), [false, false]);
  assertEquals(quick({ headDim: 64, bits: [3], variant: "prod" }), [false, false]);
});

Deno.test("turboquant_rows.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("turboquant_rows.wat", FOLDER));
  const module = (await wabt()).parseWat("turboquant_rows.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("turboquant_rows.wasm", FOLDER)),
  );
});
