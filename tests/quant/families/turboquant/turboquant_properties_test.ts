/** Properties of `turboquant`, each on every backend, and of the tables it is made of. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import type { HookAnswers, KvKind } from "../../../../quant/family.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { LevelFinder } from "../../../../quant/numerics/level_finder.ts";
import { sphereLevels } from "../../../../quant/numerics/lloyd_max.ts";
import {
  hadamard,
  hadamardRotation,
  randomRotation,
  randomSigns,
  transpose,
} from "../../../../quant/numerics/random_rotation.ts";
import { turboquant } from "../../../../quant/families/turboquant/turboquant.ts";
import type { TurboquantSettings } from "../../../../quant/families/turboquant/turboquant_settings.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { type TestBackend, testOnBackends } from "../../backends.ts";
import { runs, testCacheProperties, testMoreBits } from "../../cache_properties.ts";
import { type CacheScene, layerData, OpenCache } from "../../cache_scenes.ts";
import { KV_LOOKS, type KvLook } from "../../kv_data.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

type Scene = CacheScene<TurboquantSettings>;

/** What a test pins down; the rest is drawn. */
interface Choice {
  readonly look?: KvLook;
  readonly tokens?: number;
}

function scenes(choice: Choice = {}): fc.Arbitrary<Scene & { readonly answers: HookAnswers }> {
  return fc.record({
    kind: fc.constantFrom<KvKind>("key", "value"),
    heads: fc.integer({ min: 1, max: 3 }),
    headDim: fc.constantFrom(64, 80, 96, 128),
    widths: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 3, maxLength: 3 }),
    variant: fc.constantFrom("mse", "prod"),
    turn: fc.constantFrom("qr", "hadamard"),
    residual: fc.constantFrom(0, 0, 0, 7),
    tokens: fc.integer({ min: 1, max: 60 }),
    room: fc.integer({ min: 0, max: 5 }),
    look: fc.constantFrom(...KV_LOOKS),
    seed: fc.nat({ max: 1e6 }),
  }).map((draw) => {
    const { kind, heads, headDim, variant, seed } = draw;
    const least = variant === "prod" ? 2 : 1;
    const rotation = headDim % 32 === 0 && headDim !== 96 ? draw.turn : "qr";
    const given = answers(kind, {
      bits: draw.widths.slice(0, heads).map((bits) => Math.max(bits, least)),
      residualLength: draw.residual,
      options: { variant, rotation, seed: seed % 3 },
    });
    const tokens = choice.tokens ?? draw.tokens;
    return {
      ...sceneOf(given, { heads, headDim, tokens, look: choice.look ?? draw.look, seed }),
      capacity: tokens + draw.room,
      answers: given,
    };
  });
}

function sceneOf(
  given: HookAnswers,
  cache: Pick<Scene, "heads" | "headDim" | "tokens" | "look" | "seed">,
): Scene {
  const { heads, headDim, tokens, look, seed } = cache;
  return {
    family: turboquant,
    kind: given.kind,
    settings: [settingsFor(turboquant, given, cache)],
    heads,
    headDim,
    tokens,
    capacity: tokens,
    look,
    seed,
  };
}

testCacheProperties("turboquant", scenes());

for (const [variant, widths] of [["mse", [1, 2, 3, 4, 6, 8]], ["prod", [2, 3, 4, 6, 8]]] as const) {
  testMoreBits(
    `turboquant ${variant}`,
    scenes({ look: "normal", tokens: 30 }).map((scene) => {
      const withBits = (bits: number) => {
        const wider = {
          ...scene.answers,
          bits: scene.answers.bits.map(() => bits),
          residualLength: 0,
          options: { ...scene.answers.options, variant },
        };
        return { ...sceneOf(wider, scene), capacity: scene.capacity };
      };
      return { scene: withBits(2), withBits };
    }),
    widths,
  );
}

/** The whole restored cache of one layer. */
async function restoredCache(backend: TestBackend, scene: Scene): Promise<Float32Array> {
  const [restored] = await (await new OpenCache(backend, scene).grow([scene.tokens])).restore();
  return restored!;
}

/** Squared length of the difference over squared length. */
function distortion(restored: Float32Array, data: Float32Array): number {
  let error = 0, norm = 0;
  data.forEach((x, i) => {
    error += (restored[i]! - x) ** 2;
    norm += x * x;
  });
  return error / norm;
}

// Zandieh et al., arXiv 2504.19874, theorem 1: about 0.36, 0.117, 0.03 and 0.009 for unit vectors.
const DISTORTIONS = { 1: 0.3634, 2: 0.1175, 3: 0.03454, 4: 0.009497 } as const;

for (const look of ["normal", "outlier channels"] as const) {
  for (const rotation of ["qr", "hadamard"]) {
    testOnBackends(
      `turboquant: the distortion of ${look} data is the paper's, ${rotation}`,
      async (backend) => {
        for (const [bits, expected] of Object.entries(DISTORTIONS)) {
          const given = answers("key", {
            bits: [Number(bits), Number(bits)],
            options: { rotation },
          });
          const scene = sceneOf(given, { heads: 2, headDim: 128, tokens: 150, look, seed: 5 });
          const got = distortion(await restoredCache(backend, scene), layerData(scene)[0]!);
          assert(Math.abs(got / expected - 1) < 0.12, `${bits} bits: ${got}, not ${expected}`);
        }
      },
    );
  }
}

testOnBackends("turboquant: the variant prod is right on average", async (backend) => {
  const seeds = 24;
  const at = (variant: string, seed: number) => {
    const given = answers("key", { bits: [2, 2], options: { variant, seed } });
    return sceneOf(given, { heads: 2, headDim: 64, tokens: 12, look: "normal", seed: 9 });
  };
  const data = layerData(at("prod", 0))[0]!;
  const average = async (variant: string) => {
    const sum = new Float32Array(data.length);
    for (let seed = 0; seed < seeds; seed++) {
      (await restoredCache(backend, at(variant, seed))).forEach((x, i) => sum[i]! += x / seeds);
    }
    return sum;
  };
  /** Slope of the averages over the data: 1 when inner products are unbiased. */
  const slope = (averages: Float32Array) => {
    let cross = 0, square = 0;
    data.forEach((x, i) => {
      cross += averages[i]! * x;
      square += x * x;
    });
    return cross / square;
  };
  assertAlmostEquals(slope(await average("prod")), 1, 0.02);
  // The levels of the variant mse are means of their cells, which shrinks vectors by 1 - 0.117.
  assertAlmostEquals(slope(await average("mse")), 0.883, 0.02);
});

testOnBackends("turboquant: a vector of zeros stays one, lengths are kept", async (backend) => {
  await fc.assert(
    fc.asyncProperty(scenes(), async (scene) => {
      const { headDim, capacity, tokens } = scene;
      const [data] = layerData(scene);
      data!.fill(0, 0, headDim);
      const cache = await new OpenCache(backend, scene, [data!]).grow([tokens]);
      const [restored] = await cache.restore();
      const { to } = turboquant.quantizedRange(scene.settings[0]!, tokens);
      if (to > 0) assert(restored!.subarray(0, headDim).every((x) => x === 0));
      const options = scene.answers.options!;
      if (options.variant === "prod") return;
      for (let row = 0; row < scene.heads * capacity; row++) {
        const head = Math.floor(row / capacity);
        if (row % capacity >= to) continue;
        const length = (from: Float32Array) =>
          Math.hypot(...from.subarray(row * headDim, (row + 1) * headDim));
        // The larger the levels, the longer: at most sqrt(headDim) times the outermost level.
        const most = sphereLevels(headDim, scene.settings[0]!.bits[head]!).at(-1)!;
        const bound = Math.sqrt(headDim) * most * length(data!) * (1 + 2 ** -10) + 1e-6;
        assert(length(restored!) <= bound);
      }
    }),
    runs(backend, 30),
  );
});

testOnBackends("turboquant: bits per element are the width and the norms", async (backend) => {
  const expected = [["mse", 3, 3 + 16 / 64], ["prod", 3, 3 + 32 / 64], ["mse", 2, 2.25]] as const;
  for (const [variant, bits, stored] of expected) {
    const given = answers("value", { bits: [bits, bits], options: { variant } });
    const scene = sceneOf(given, { heads: 2, headDim: 64, tokens: 50, look: "normal", seed: 1 });
    const cache = await new OpenCache(backend, scene).grow([50]);
    assertAlmostEquals(8 * cache.bytes(50) / (50 * 128), stored, 1e-12);
  }
});

testOnBackends("turboquant: swapping settings of keys and values changes both", async (backend) => {
  const restore = (kind: KvKind, options: Record<string, unknown>) =>
    restoredCache(
      backend,
      sceneOf(answers(kind, { bits: [3, 3], options }), {
        heads: 2,
        headDim: 64,
        tokens: 20,
        look: "normal",
        seed: kind === "key" ? 1 : 2,
      }),
    );
  for (
    const [key, value] of [
      [{ variant: "mse" }, { variant: "prod" }],
      [{ rotation: "qr" }, { rotation: "hadamard" }],
      [{ seed: 1 }, { seed: 2 }],
    ] as const
  ) {
    assertNotEquals(await restore("key", key), await restore("key", value));
    assertNotEquals(await restore("value", value), await restore("value", key));
  }
});

const REFUSED: readonly [Partial<HookAnswers>, string][] = [
  [{ axis: "channel" }, 'choose_axis must be "token"'],
  [{ groupSize: 32 }, "group_size must be 96 or -1"],
  [{ bits: [1, 2], options: { variant: "prod" } }, "at least 2 bits"],
  [{ options: { rotation: "hadamard" } }, "a power of two"],
  [{ options: { rotation: "none" } }, '"qr" or "hadamard"'],
  [{ options: { seed: -1 } }, "an integer from 0 to 4294967295"],
  [{ options: { window: 3 } }, 'no option "window"'],
  [{ calibrationMode: "offline" }, "nothing to calibrate"],
];

for (const [changes, says] of REFUSED) {
  Deno.test(`turboquant: ${JSON.stringify(changes)} is refused`, () => {
    const given = answers("key", changes);
    assertThrows(
      () => settingsFor(turboquant, given, { heads: 2, headDim: 96 }),
      QuantizerError,
      says,
    );
  });
}

Deno.test("random rotations are orthogonal, and another seed gives another", () => {
  for (const dim of [3, 64, 80, 128]) {
    const q = randomRotation(dim, 42);
    const qt = transpose(q, dim);
    for (let i = 0; i < dim; i++) {
      for (let j = 0; j <= i; j++) {
        let dot = 0;
        for (let k = 0; k < dim; k++) dot += qt[i * dim + k]! * qt[j * dim + k]!;
        assertAlmostEquals(dot, i === j ? 1 : 0, 1e-13);
      }
    }
    assertEquals(randomRotation(dim, 42), q);
    assertNotEquals(randomRotation(dim, 43), q);
  }
});

Deno.test("the Hadamard matrix is the fast transform, and its own inverse", () => {
  const dim = 16;
  const signs = randomSigns(dim, 4);
  assert(signs.every((sign) => Math.abs(sign) === 1) && new Set(signs).size === 2);
  const matrix = hadamardRotation(signs);
  const x = Float64Array.from({ length: dim }, (_, i) => Math.sin(i * i));
  const fast = x.map((value, i) => value * signs[i]!);
  hadamard(fast, 0, dim);
  for (let row = 0; row < dim; row++) {
    let dot = 0;
    for (let i = 0; i < dim; i++) dot += matrix[row * dim + i]! * x[i]!;
    assertAlmostEquals(fast[row]!, dot, 1e-14);
  }
  hadamard(fast, 0, dim);
  fast.forEach((value, i) => assertAlmostEquals(value, x[i]! * signs[i]!, 1e-14));
});

// Max, "Quantizing for minimum distortion", IRE Transactions on Information Theory 6(1), 1960,
// table I: levels for a normal distribution, which a coordinate has in the limit.
const NORMAL_LEVELS = {
  1: [0.7980],
  2: [0.4528, 1.510],
  3: [0.2451, 0.7560, 1.344, 2.152],
} as const;

Deno.test("sphere levels approach those of a normal distribution", () => {
  for (const [bits, expected] of Object.entries(NORMAL_LEVELS)) {
    const levels = sphereLevels(8192, Number(bits));
    expected.forEach((level, i) => {
      const scaled = levels[levels.length / 2 + i]! * Math.sqrt(8192);
      assertAlmostEquals(scaled, level, 2e-3);
      assertAlmostEquals(levels[levels.length / 2 - 1 - i]!, -levels[levels.length / 2 + i]!, 0);
    });
  }
});

Deno.test("every sphere level is the mean of its cell", () => {
  for (const dim of [3, 64, 80, 128]) {
    for (const bits of [1, 3, 8]) {
      const levels = sphereLevels(dim, bits);
      for (let i = 1; i + 1 < levels.length; i += 7) {
        const [low, high] = [(levels[i - 1]! + levels[i]!) / 2, (levels[i]! + levels[i + 1]!) / 2];
        let mass = 0, moment = 0;
        for (let k = 0; k < 2000; k++) {
          const t = low + (high - low) * (k + 0.5) / 2000;
          const density = (1 - t * t) ** ((dim - 3) / 2);
          mass += density;
          moment += t * density;
        }
        assertAlmostEquals(moment / mass, levels[i]!, 1e-6);
      }
    }
  }
});

Deno.test("a level finder finds the nearest level", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 40 }),
      fc.array(fc.double({ min: -9, max: 9, noNaN: true })),
      (levels, values) => {
        const sorted = Float64Array.from(levels).sort();
        const finder = new LevelFinder(sorted);
        for (const x of [...values, ...levels]) {
          const nearest = Math.min(...levels.map((level) => Math.abs(level - x)));
          assertAlmostEquals(Math.abs(sorted[finder.find(x)]! - x), nearest, 1e-12);
        }
        const codes = new Int32Array(values.length);
        finder.findRow(Float64Array.from([0, ...values]), 1, values.length, codes);
        assertEquals([...codes], values.map((x) => finder.find(x)));
      },
    ),
  );
});
