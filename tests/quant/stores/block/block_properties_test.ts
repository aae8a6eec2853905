/** Properties of `hf_quanto`, `hf_hqq` and `kvtuner`, each on every backend. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import type { HookAnswers } from "../../../../quant/family.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import {
  requantizationPeriod,
  storedTokens,
} from "../../../../quant/stores/block/quantized_cache.ts";
import { answers } from "../affine/affine_answers.ts";
import { type TestBackend, testOnBackends } from "../../backends.ts";
import {
  BLOCK_FAMILIES,
  blockGroups,
  type BlockScene,
  blockScene,
  blockScenes,
} from "./block_scenes.ts";
import { runs, testCacheProperties, testMoreBits } from "../../cache_properties.ts";
import { layerData, OpenCache } from "../../cache_scenes.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

for (const name of Object.keys(BLOCK_FAMILIES)) {
  testCacheProperties(name, blockScenes(name), true);
}

const WIDTHS = { hf_quanto: [2, 4], hf_hqq: [1, 2, 4, 8], kvtuner: [2, 4, 8] } as const;

for (const [name, widths] of Object.entries(WIDTHS)) {
  testMoreBits(
    name,
    blockScenes(name, { look: "normal", tokens: 65 })
      .filter(({ settings: [settings] }) => settings!.groupSize <= 64)
      .map((scene) => {
        const withBits = (bits: number) => {
          const wider = { ...scene.answers, bits: scene.answers.bits.map(() => bits) };
          return blockScene(scene.family, wider, scene);
        };
        return { scene: withBits(widths[0]!), withBits };
      }),
    widths,
  );
}

/** What attention sees of tokens `0 .. n - 1`: restored where quantized, else as given. */
async function seen(
  backend: TestBackend,
  scene: BlockScene,
  data: Float32Array<ArrayBuffer>,
  n: number,
): Promise<Float32Array<ArrayBuffer>> {
  const cache = await new OpenCache(backend, { ...scene, tokens: n }, [data]).grow([n]);
  const [restored] = await cache.restore();
  return merged(scene, data, restored!, cache.stores[0]!.quantized.to);
}

function merged(
  { heads, capacity, headDim }: BlockScene,
  data: Float32Array<ArrayBuffer>,
  restored: Float32Array,
  to: number,
): Float32Array<ArrayBuffer> {
  const out = data.slice();
  for (let head = 0; head < heads; head++) {
    const from = head * capacity * headDim;
    out.set(restored.subarray(from, from + to * headDim), from);
  }
  return out;
}

for (const name of Object.keys(BLOCK_FAMILIES)) {
  testOnBackends(
    `${name}: a store that grew holds what quantizing restored values again gives`,
    async (backend) => {
      await fc.assert(
        fc.asyncProperty(
          blockScenes(name),
          fc.nat(),
          fc.array(fc.nat({ max: 70 }), { maxLength: 6 }),
          async (scene, first, stops) => {
            const { tokens } = scene;
            const { residualLength } = scene.settings[0]!;
            const prefilled = 1 + first % tokens;
            const [data] = layerData(scene);
            // By the rule: one block, then another from its values and the exact ones, and so on.
            let expected = await seen(backend, scene, data!, prefilled);
            let made = prefilled;
            while (made + requantizationPeriod(residualLength) <= tokens) {
              made += requantizationPeriod(residualLength);
              expected = await seen(backend, scene, expected, made);
            }
            assertEquals(made, storedTokens(prefilled, tokens, residualLength));
            const between = stops.filter((n) => n > prefilled && n < tokens)
              .sort((a, b) => a - b);
            const cache = await new OpenCache(backend, scene)
              .grow([prefilled, ...between, tokens], first % 2 === 0);
            const [restored] = await cache.restore();
            const { to } = cache.stores[0]!.quantized;
            assertEquals(merged(scene, data!, restored!, to), expected);
          },
        ),
        runs(backend, 30),
      );
    },
  );

  testOnBackends(
    `${name}: a store says when it will rewrite itself, and remembers its sizes`,
    async (backend) => {
      await fc.assert(
        fc.asyncProperty(blockScenes(name), fc.nat(), async (scene, first) => {
          const { tokens } = scene;
          const prefilled = 1 + first % tokens;
          const cache = await new OpenCache(backend, scene).grow([prefilled], false);
          const store = cache.stores[0]!;
          assertEquals(store.carriesState, true);
          const sizes = [store.buffers(prefilled)];
          for (let n = prefilled + 1; n <= tokens; n++) {
            const will = store.rewrites(n);
            const before = await store.contents();
            await cache.grow([n], false);
            const after = await store.contents();
            if (!will) assertEquals(after, before);
            else assert(store.quantized.to >= n - scene.settings[0]!.groupSize);
            sizes.push(store.buffers(n));
          }
          await store.settle();
          sizes.forEach((size, i) => assertEquals(store.buffers(prefilled + i), size));
        }),
        runs(backend, 12),
      );
    },
  );
}

/** Half a unit in the last place of an f16. */
function half(x: number): number {
  return Math.max(Math.abs(x) * 2 ** -11, 2 ** -25);
}

/** Largest error of a group by the family's arithmetic, entries between `low` and `high`. */
const BOUNDS: Readonly<
  Record<string, (low: number, high: number, top: number, symmetric: boolean) => number>
> = {
  hf_quanto(low, high, top) {
    const scale = (high - low) / top;
    // Codes come from unrounded parameters, values from stored ones.
    return scale / 2 + top * half(scale) + half(low);
  },
  hf_hqq(low, high, top) {
    // Ranges up to 1e-4 become the smallest entry; steps are capped at 20000.
    if (high - low <= 1.0001e-4) return high - low + half(low) + 1e-7;
    const scale = Math.max((high - low) / top, 1 / 20000, Math.max(-low, low) / 60000);
    const zero = Math.abs(low) / scale + 1;
    return scale / 2 + half(zero) * scale * 1.001 + (top + zero) * half(scale);
  },
  kvtuner(low, high, top, symmetric) {
    if (symmetric) {
      const scale = Math.max(-low, high, 1e-5) / ((top - 1) / 2);
      return scale / 2 + (top + 1) / 2 * half(scale);
    }
    const scale = Math.max((high - low) / top, 1e-5 / top, Math.abs(low) / 32700 + 2 ** -25);
    // The zero point is a whole step, so an end may lie half a step outside, and a stored scale that
    // was rounded down leaves a little of the range over.
    return (scale + half(scale)) + top * half(scale);
  },
};

for (const name of Object.keys(BLOCK_FAMILIES)) {
  testOnBackends(`${name}: errors stay within the family's bound`, async (backend) => {
    await fc.assert(
      fc.asyncProperty(blockScenes(name, { optimize: false }), async (scene) => {
        const [data] = layerData(scene);
        const [restored] = await (await new OpenCache(backend, scene).grow([scene.tokens]))
          .restore();
        for (const { head, indices } of blockGroups(scene)) {
          const entries = indices.map((i) => data![i]!);
          const [low, high] = [Math.min(...entries), Math.max(...entries)];
          const top = 2 ** scene.settings[0]!.bits[head]! - 1;
          const bound = BOUNDS[name]!(low, high, top, scene.answers.symmetric ?? true);
          for (const i of indices) {
            const error = Math.abs(restored![i]! - data![i]!);
            const allowed = bound + 1e-5 * (Math.abs(data![i]!) + high - low);
            assert(error <= allowed, `|${restored![i]} - ${data![i]}| > ${allowed}`);
          }
        }
      }),
      runs(backend, 60),
    );
  });

  testOnBackends(`${name}: equal entries are restored`, async (backend) => {
    const constant = fc.constantFrom(0, 1, -1, 0.375, -40, 1e-3, 2 ** -140);
    await fc.assert(
      fc.asyncProperty(blockScenes(name), constant, async (scene, value) => {
        const data = layerData(scene)[0]!.fill(value);
        const x = Math.fround(value);
        const cache = await new OpenCache(backend, scene, [data]).grow([scene.tokens]);
        const [restored] = await cache.restore();
        for (const { head, indices } of blockGroups(scene)) {
          const top = 2 ** scene.settings[0]!.bits[head]! - 1;
          const bound = BOUNDS[name]!(x, x, top, scene.answers.symmetric ?? true) + 1e-30;
          for (const i of indices) {
            const error = Math.abs(restored![i]! - x);
            assert(error <= bound, `${restored![i]} is not ${x}, off by more than ${bound}`);
          }
        }
      }),
      runs(backend, 30),
    );
  });
}

testOnBackends("hf_hqq: the search lowers the error it looks at", async (backend) => {
  await fc.assert(
    fc.asyncProperty(
      blockScenes("hf_hqq", { look: "normal", tokens: 60, optimize: true })
        .filter(({ answers, settings }) => answers.bits[0]! <= 4 && settings[0]!.groupSize >= 32),
      async (scene) => {
        const [data] = layerData(scene);
        // The search minimises a sum of |e|^0.7, in which large errors count for little.
        const total = async (optimize: boolean) => {
          const options = { ...scene.answers.options, optimize };
          const other = blockScene(scene.family, { ...scene.answers, options }, scene);
          const cache = await new OpenCache(backend, other).grow([scene.tokens]);
          const [restored] = await cache.restore();
          return blockGroups(other).flatMap(({ indices }) => indices)
            .reduce((sum, i) => sum + Math.abs(restored![i]! - data![i]!) ** 0.7, 0);
        };
        assert(await total(true) < 1.001 * await total(false));
      },
    ),
    runs(backend, 20),
  );
});

/** Stored bits per element of 128 tokens of two heads of 64 channels. */
const STORED_BITS: readonly {
  readonly family: string;
  readonly answers: Partial<HookAnswers>;
  readonly bits: number;
}[] = [
  { family: "hf_quanto", answers: { bits: [4, 4] }, bits: 4 + 32 / 64 },
  { family: "hf_quanto", answers: { bits: [2, 2], groupSize: 32 }, bits: 2 + 32 / 32 },
  { family: "hf_quanto", answers: { bits: [2, 2], axis: "channel" }, bits: 2 + 32 / 64 },
  { family: "hf_hqq", answers: { bits: [4, 4] }, bits: 4 + 32 / 64 },
  { family: "hf_hqq", answers: { bits: [1, 1] }, bits: 1 + 32 / 64 },
  {
    family: "hf_hqq",
    answers: { bits: [3, 3], axis: "channel", groupSize: 40, options: { hqq_axis: 0 } },
    // 40 codes of 3 bits fill four words; 16384 entries in groups of 40 leave a few tokens over.
    bits: (3.2 + 32 / 40) * 125 / 128,
  },
  {
    family: "hf_hqq",
    answers: { bits: [3, 3], axis: "channel", options: { hqq_axis: 0 } },
    // 64 codes take seven words, the last of them with room for six more.
    bits: 32 * 7 / 64 + 32 / 64,
  },
  {
    family: "kvtuner",
    answers: { bits: [2, 8], groupSize: 32, symmetric: false },
    bits: 5 + 32 / 32,
  },
  { family: "kvtuner", answers: { bits: [4, 4], groupSize: -1 }, bits: 4 + 16 / 64 },
];

for (const { family, answers: changes, bits } of STORED_BITS) {
  testOnBackends(`${family}: ${JSON.stringify(changes)} stores ${bits} bits`, async (backend) => {
    const shape = { heads: 2, headDim: 64, tokens: 128, capacity: 128 };
    const given = answers("key", changes);
    const scene = blockScene(BLOCK_FAMILIES[family]!, given, { ...shape, look: "normal", seed: 1 });
    const cache = await new OpenCache(backend, scene).grow([128]);
    assertAlmostEquals(8 * cache.bytes(128) / (2 * 64 * 128), bits, 1e-9);
  });
}

const DIFFERENT_KINDS: readonly {
  readonly family: string;
  readonly what: string;
  readonly key: Partial<HookAnswers>;
  readonly value: Partial<HookAnswers>;
}[] = [
  { family: "hf_quanto", what: "bits", key: { bits: [2, 2] }, value: { bits: [4, 4] } },
  { family: "hf_quanto", what: "axis", key: { axis: "channel" }, value: { axis: "token" } },
  { family: "hf_hqq", what: "group size", key: { groupSize: 16 }, value: { groupSize: 64 } },
  {
    family: "hf_hqq",
    what: "search",
    key: { options: { optimize: false } },
    value: { options: { optimize: true } },
  },
  { family: "kvtuner", what: "symmetry", key: { symmetric: true }, value: { symmetric: false } },
  { family: "kvtuner", what: "bits", key: { bits: [8, 4] }, value: { bits: [2, 2] } },
];

for (const { family, what, key, value } of DIFFERENT_KINDS) {
  testOnBackends(`${family}: swapping ${what} of keys and values changes both`, async (backend) => {
    const restore = async (kind: "key" | "value", changes: Partial<HookAnswers>) => {
      const given = answers(kind, { groupSize: 32, bits: [4, 4], ...changes });
      const shape = { heads: 2, headDim: 64, tokens: 65, capacity: 65 };
      const scene = blockScene(BLOCK_FAMILIES[family]!, given, {
        ...shape,
        look: "normal",
        seed: kind === "key" ? 11 : 12,
      });
      return await (await new OpenCache(backend, scene).grow([65])).restore();
    };
    assertNotEquals(await restore("key", key), await restore("key", value));
    assertNotEquals(await restore("value", value), await restore("value", key));
  });
}

const REFUSED: readonly {
  readonly family: string;
  readonly answers: Partial<HookAnswers>;
  readonly says: string;
}[] = [
  { family: "hf_quanto", answers: { bits: [3, 3] }, says: "cannot store codes of 3 bits" },
  { family: "hf_quanto", answers: { bits: [2, 4] }, says: "one width for all heads" },
  { family: "hf_quanto", answers: { groupSize: 48 }, says: "48 does not divide the 64 channels" },
  { family: "hf_quanto", answers: { groupSize: 0 }, says: "at least 1" },
  { family: "hf_quanto", answers: { calibrationMode: "offline" }, says: "nothing to calibrate" },
  { family: "hf_quanto", answers: { options: { quanto_axis: 1 } }, says: "must be 0 or -1" },
  {
    family: "hf_quanto",
    answers: { options: { quanto_axis: -1 } },
    says: 'axis -1 with "channel"',
  },
  { family: "hf_quanto", answers: { options: { axis: 0 } }, says: 'no option "axis"' },
  { family: "hf_hqq", answers: { axis: "channel" }, says: 'choose_axis must be "token"' },
  { family: "hf_hqq", answers: { bits: [3, 3] }, says: "3 bits on HQQ's axis 0 alone" },
  {
    family: "hf_hqq",
    answers: { bits: [3, 3], options: { hqq_axis: 1 } },
    says: "3 bits on HQQ's axis 0 alone",
  },
  { family: "hf_hqq", answers: { options: { hqq_axis: 0 } }, says: 'axis 0 with "channel"' },
  { family: "hf_hqq", answers: { options: { hqq_axis: "0" } }, says: "must be 0 or 1" },
  { family: "hf_hqq", answers: { options: { optimize: 1 } }, says: "must be true or false" },
  { family: "hf_hqq", answers: { bits: [5, 5] }, says: "use one of 1, 2, 3, 4, 8" },
  { family: "kvtuner", answers: { bits: [3, 3] }, says: "use one of 2, 4, 8" },
  { family: "kvtuner", answers: { groupSize: 48 }, says: "48 does not divide the 64 channels" },
  { family: "kvtuner", answers: { axis: "channel", groupSize: -1 }, says: "at least 1" },
];

for (const { family, answers: changes, says } of REFUSED) {
  Deno.test(`${family}: ${JSON.stringify(changes)} is refused`, () => {
    const given = answers("key", { bits: [4, 4], layer: 3, ...changes });
    const error = assertThrows(
      () => settingsFor(BLOCK_FAMILIES[family]!, given, { heads: 2, headDim: 64 }),
      QuantizerError,
      says,
    );
    assert(error.message.startsWith("Layer 3 keys"), error.message);
  });
}

Deno.test("hf_quanto, hf_hqq: the default group is 64, or the largest divisor below", () => {
  for (const [headDim, groupSize] of [[64, 64], [80, 40], [96, 48], [128, 64]] as const) {
    for (const name of ["hf_quanto", "hf_hqq", "kvtuner"]) {
      const settings = settingsFor(BLOCK_FAMILIES[name]!, answers("key"), { heads: 2, headDim });
      assertEquals(settings.groupSize, groupSize);
    }
  }
});
