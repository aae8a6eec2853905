import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Calibration } from "../../../../quant/calibration.ts";
import type { KvKind, Store } from "../../../../quant/family.ts";
import { kvquant } from "../../../../quant/families/kvquant/kvquant.ts";
import {
  calibrationMatrix,
  columnThresholds,
  learnCodebook,
  learnNorm,
  normalizedEntries,
  rowThresholds,
} from "../../../../quant/families/kvquant/kvquant_calibrate.ts";
import { normalFloatEntries } from "../../../../quant/numerics/codebook.ts";
import type { KvquantSettings } from "../../../../quant/families/kvquant/kvquant_settings.ts";
import type { KvShape } from "../../../../quant/tensor.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { testOnBackends } from "../../backends.ts";
import {
  assertWithin,
  type Golden,
  loadGolden,
  sourceOf,
  testGoldenCases,
} from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

interface KvquantCase {
  readonly bits: number;
  readonly axis: "channel" | "token";
  readonly quantizer: "int" | "nuq" | "nf";
  readonly outliers: boolean;
  readonly outliers_ratio?: number;
  readonly sink_tokens: number;
  readonly round_zero: boolean;
  readonly normscale?: number;
  readonly normoffset?: number;
}

const METHODS = { int: "uniform", nf: "normal" } as const;

/** What calibration would have learned, from the tensors of a case. */
function calibration(golden: Golden): Calibration {
  const { bits, normscale, normoffset } = golden.params as unknown as KvquantCase;
  const half = (role: string) => Float16Array.from(golden.tensor(role)!.data);
  return {
    ...(golden.tensor("upper") === undefined ? {} : { upper: half("upper"), lower: half("lower") }),
    ...(golden.tensor("lut") === undefined
      ? {}
      : { [`codebook${bits}`]: Float32Array.from(golden.tensor("lut")!.data).sort() }),
    ...(normscale === undefined
      ? {}
      : { [`norm${bits}`]: Float32Array.of(normscale, normoffset!) }),
  };
}

function settings(golden: Golden, kind: KvKind): KvquantSettings {
  const params = golden.params as unknown as KvquantCase;
  const [, heads, , headDim] = golden.shape as [number, number, number, number];
  const method = params.quantizer === "nuq"
    ? {}
    : { quantizationMethod: METHODS[params.quantizer] };
  const resolved = settingsFor(
    kvquant,
    answers(kind, {
      bits: Array(heads).fill(params.bits),
      axis: params.axis,
      // The cases of keys name no share: their thresholds say what an outlier is.
      outliersRatio: params.outliers ? params.outliers_ratio ?? 0.01 : 0,
      sinkTokens: params.sink_tokens,
      calibrationMode: "offline",
      options: {
        round_zero: params.round_zero,
        q_norm: params.normscale !== undefined,
        pre_rope: false,
      },
      ...method,
    }),
    { heads, headDim },
  );
  return { ...resolved, paramDtype: "f32", calibration: calibration(golden) };
}

/** Which entries `[heads, tokens, headDim]` are kept exactly, sink tokens included. */
async function outlierMask(store: Store<KvShape>, golden: Golden): Promise<Uint8Array> {
  const [, heads, tokens, headDim] = golden.shape as [number, number, number, number];
  const buffers = new Map((await store.contents()).map(({ role, words }) => [role, words]));
  const mask = new Uint8Array(heads * tokens * headDim);
  const { from, to } = store.quantized;
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      if (token >= from) break;
      mask.fill(1, (head * tokens + token) * headDim, (head * tokens + token + 1) * headDim);
    }
  }
  for (let unit = 0, o = 0; unit < to - from; unit++) {
    for (; o < buffers.get("row_pointers")![unit]!; o++) {
      const position = buffers.get("outliers")![2 * o + 1]!;
      const head = Math.floor(position / headDim);
      mask[(head * tokens + from + unit) * headDim + position % headDim] = 1;
    }
  }
  return mask;
}

const CONSTANT_INTEGER = "v_const_int4";

testGoldenCases({
  family: kvquant,
  settings,
  inspect: async (store, _settings, golden) => {
    const { outliers } = golden.params as unknown as KvquantCase;
    return outliers ? { outlier_mask: await outlierMask(store, golden) } : {};
  },
  except: {
    [CONSTANT_INTEGER]: "the official code restores constant tokens to 0; compared below",
    ...Object.fromEntries(
      loadGolden("kvquant").filter(({ kind }) => kind.startsWith("calibrate"))
        .map(({ id }) => [id, "calibration, compared below"]),
    ),
  },
});

testOnBackends(`kvquant: golden ${CONSTANT_INTEGER}, constant tokens aside`, async (backend) => {
  const golden = loadGolden("kvquant").find(({ id }) => id === CONSTANT_INTEGER)!;
  const [, heads, tokens, headDim] = golden.shape as [number, number, number, number];
  const shape = { heads, capacity: tokens, headDim };
  const input = Float32Array.from(golden.tensor("input")!.data);
  const resolved = settings(golden, "value");
  const source = sourceOf(backend.upload(input, shape), "value", tokens);
  const store = backend.open(kvquant, source, resolved, tokens);
  store.grow(tokens);
  const target = backend.upload(new Float32Array(input.length), shape);
  store.restore(target);
  await store.settle();
  const restored = await backend.read(target);
  const official = golden.tensor("restored")!.data;
  let constant = 0;
  for (let token = 0; token < tokens; token++) {
    const at = Array.from(
      { length: heads * headDim },
      (_, i) => (Math.floor(i / headDim) * tokens + token) * headDim + i % headDim,
    );
    const entries = at.map((i) => input[i]!);
    const got = at.map((i) => restored[i]!);
    if (entries.every((x) => x === entries[0])) {
      constant++;
      assertEquals(got, entries);
      assert(at.every((i) => official[i] === 0));
    } else {
      assertWithin(got, at.map((i) => official[i]!), golden.tolerance, `token ${token}`);
    }
  }
  assert(constant > 0);
});

/** Sum of squared distances of the entries to their nearest codebook entry. */
function inertia(entries: Float32Array, book: Float32Array): number {
  let sum = 0;
  for (const z of entries) sum += Math.min(...Array.from(book, (c) => (z - c) ** 2));
  return sum;
}

for (const golden of loadGolden("kvquant").filter(({ kind }) => kind.startsWith("calibrate"))) {
  Deno.test(`kvquant: golden ${golden.id}`, () => {
    const params = golden.params as Record<string, number | string>;
    const bits = params["bits"] as number;
    const ratio = params["outliers_ratio"] as number;
    const axis = params["threshold_axis"] as "channel" | "token";
    const [, heads, tokens, headDim] = golden.shape as [number, number, number, number];
    const data = Float32Array.from(golden.tensor("input")!.data);
    const sample = { heads: heads!, capacity: tokens!, headDim: headDim!, data };
    const matrix = calibrationMatrix([sample], undefined, 0, [new Int32Array(sample.capacity)]);
    const ends = (axis === "channel" ? columnThresholds : rowThresholds)(matrix, ratio);
    const entries = normalizedEntries(matrix, ends, axis);
    if (golden.kind === "calibrate_qnorm") {
      const book = Float32Array.from(golden.tensor("lut")!.data).sort();
      const [scale, offset] = learnNorm(entries, book);
      assertAlmostEquals(scale!, golden.tensor("normscale")!.data[0]!, golden.tolerance.atol);
      assertAlmostEquals(offset!, golden.tensor("normoffset")!.data[0]!, golden.tolerance.atol);
      return;
    }
    assertWithin(ends.upper, golden.tensor("upper")!.data, golden.tolerance, "upper");
    assertWithin(ends.lower, golden.tensor("lower")!.data, golden.tolerance, "lower");
    const expected = params["expect_inertia"] as number;
    const official = Float32Array.from(golden.tensor("lut")!.data);
    assertAlmostEquals(inertia(entries.values, official), expected, 1e-3 * expected);
    const book = learnCodebook(entries, bits);
    assert(inertia(entries.values, book) <= 1.05 * expected);
  });
}

Deno.test("kvquant: NormalFloat entries are the official ones", () => {
  const cases = loadGolden("kvquant").filter(({ params }) => params["quantizer"] === "nf");
  assert(cases.length > 0);
  for (const golden of cases) {
    const entries = normalFloatEntries(golden.params["bits"] as number);
    const official = golden.tensor("lut")!.data;
    assertEquals(entries.length, official.length);
    entries.forEach((v, i) => assertAlmostEquals(v, official[i]!, 2e-6));
  }
});
