/** Properties of `transform`, each on every backend. */
import { assert, assertAlmostEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type HookAnswers, type KvKind, QuantizerError } from "../../../quant/family.ts";
import { principalAxes } from "../../../quant/numerics/principal_axes.ts";
import { probit } from "../../../quant/numerics/probit.ts";
import { learnLevels } from "../../../quant/numerics/scalar_codebook.ts";
import type { CpuTensor } from "../../../quant/tensor.ts";
import { EXACT, transform, type TransformSettings } from "../../../quant/transform/transform.ts";
import { answers } from "../affine/affine_answers.ts";
import { testOnBackends } from "../backends.ts";
import { runs, testCacheProperties, testMoreBits } from "../cache_properties.ts";
import { type CacheScene, layerData, OpenCache, rootMeanSquare, THETA } from "../cache_scenes.ts";
import { KV_LOOKS, kvData, type KvLook } from "../kv_data.ts";

type Scene = CacheScene<TransformSettings>;

interface Draw {
  readonly kind: KvKind;
  readonly heads: number;
  readonly headDim: number;
  readonly tokens: number;
  readonly capacity: number;
  readonly look: KvLook;
  readonly seed: number;
  readonly widths: readonly number[];
  readonly levels: "learned" | "token";
  readonly residual: number;
  readonly sink: number;
}

/** Settings calibrated on another sample that looks like the scene's own tensor. */
function calibrated(draw: Draw, widths: readonly number[] = draw.widths): TransformSettings {
  const { kind, heads, headDim, look, seed } = draw;
  const count = heads * headDim;
  const spread = Array.from({ length: count }, (_, i) => widths[i % widths.length]!);
  const given: HookAnswers = answers(kind, {
    bits: new Array(heads).fill(8),
    axis: "token",
    residualLength: draw.residual,
    sinkTokens: draw.sink,
    calibrationMode: "offline",
    options: { widths: spread, levels: draw.levels },
  });
  const settings = transform.resolve(given, { heads, headDim });
  const capacity = 120;
  const tensor = (heads: number, offset: number): CpuTensor => ({
    heads,
    capacity,
    headDim,
    data: kvData(heads * capacity, headDim, look, seed + offset),
  });
  const sample = tensor(heads, 1000);
  const layer = {
    keys: [sample],
    preRopeKeys: [sample],
    values: [sample],
    queries: [tensor(heads * 2, 2000)],
  };
  const samples = { layers: [layer], ropeTheta: THETA };
  return { ...settings, calibration: transform.calibrate!(samples, settings) };
}

function sceneOf(draw: Draw, settings = calibrated(draw)): Scene {
  const { kind, heads, headDim, tokens, capacity, look, seed } = draw;
  return {
    family: transform,
    kind,
    settings: [settings],
    heads,
    headDim,
    tokens,
    capacity,
    look,
    seed,
  };
}

const draws: fc.Arbitrary<Draw> = fc.record({
  kind: fc.constantFrom<KvKind>("key", "value"),
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: fc.constantFrom(64, 64, 80, 96, 128),
  widths: fc.array(fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, EXACT), {
    minLength: 1,
    maxLength: 7,
  }),
  levels: fc.constantFrom("learned" as const, "token" as const),
  residual: fc.constantFrom(0, 0, 7),
  sink: fc.constantFrom(0, 0, 1, 5),
  tokens: fc.integer({ min: 1, max: 50 }),
  room: fc.integer({ min: 0, max: 5 }),
  look: fc.constantFrom(...KV_LOOKS),
  seed: fc.nat({ max: 1e6 }),
}).map(({ room, ...draw }) => ({ ...draw, capacity: draw.tokens + room }));

testCacheProperties("transform", draws.map((draw) => sceneOf(draw)));

for (const levels of ["learned", "token"] as const) {
  testMoreBits(
    `transform with ${levels} levels`,
    draws.filter(({ tokens, sink, residual }) => tokens - sink - residual >= 20).map((draw) => {
      const normal: Draw = { ...draw, kind: "value", look: "normal", levels };
      const withBits = (bits: number) => sceneOf(normal, calibrated(normal, [bits]));
      return { scene: withBits(1), withBits };
    }),
  );
}

testOnBackends(
  "transform: exact components restore the tensor but for rounding",
  async (backend) => {
    await fc.assert(
      fc.asyncProperty(draws, async (draw) => {
        const value: Draw = { ...draw, kind: "value", look: "normal" };
        const scene = sceneOf(value, calibrated(value, [EXACT]));
        const data = layerData(scene);
        const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
        assert(rootMeanSquare(scene, await cache.restore(), data) < 2e-3);
      }),
      runs(backend, 15),
    );
  },
);

testOnBackends("transform: keys and values of equal data are coded apart", async (backend) => {
  await fc.assert(
    fc.asyncProperty(draws.filter((d) => d.tokens > d.sink + d.residual + 2), async (draw) => {
      const restore = async (kind: KvKind) => {
        const normal: Draw = { ...draw, kind, look: "normal", widths: [3] };
        const scene = sceneOf(normal);
        return (await (await new OpenCache(backend, scene).grow([scene.tokens])).restore())[0]!;
      };
      assertNotEquals([...await restore("key")], [...await restore("value")]);
    }),
    runs(backend, 8),
  );
});

Deno.test("transform: widths, levels, axis and mode are checked", () => {
  const shape = { heads: 2, headDim: 64 };
  const given = (changes: Partial<HookAnswers>) =>
    answers("key", {
      bits: [4, 4],
      axis: "token",
      residualLength: 0,
      calibrationMode: "offline",
      ...changes,
    });
  const refused: [Partial<HookAnswers>, string][] = [
    [{ axis: "channel" }, 'choose_axis must be "token"'],
    [{ calibrationMode: "none" }, 'calibration_mode must be "offline"'],
    [
      { options: { widths: [4] } },
      'option "widths" has 1 entries; expected one width for each of 128',
    ],
    [
      { options: { widths: new Array(128).fill(5) } },
      "is 5 at component 0; expected an integer from 0 to 4",
    ],
    [{ options: { levels: "other" } }, 'option "levels" is "other"; expected "learned" or "token"'],
    [{ options: { rotate: true } }, 'has no option "rotate"'],
  ];
  for (const [changes, message] of refused) {
    assertThrows(() => transform.resolve(given(changes), shape), QuantizerError, message);
  }
});

Deno.test("principal axes turn back, and diagonalise covariance under the metric", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.nat({ max: 1e6 }), (n, seed) => {
      const square = (offset: number) => {
        const rows = kvData(3 * n, n, "normal", seed + offset);
        const out = new Float64Array(n * n);
        for (let i = 0; i < n; i++) {
          for (let j = 0; j < n; j++) {
            for (let r = 0; r < 3 * n; r++) out[i * n + j]! += rows[r * n + i]! * rows[r * n + j]!;
          }
        }
        return out;
      };
      const [covariance, metric] = [square(0), square(7)];
      const { forward, inverse, variances } = principalAxes(covariance, metric, n);
      const product = (a: Float64Array, b: Float64Array) => (i: number, j: number) => {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += a[i * n + k]! * b[j * n + k]!;
        return sum;
      };
      const same = product(forward, inverse);
      const spread = new Float64Array(n * n);
      const times = product(forward, covariance);
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) spread[i * n + j] = times(i, j);
      const diagonal = product(spread, forward);
      const scale = Math.max(...variances);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          assertAlmostEquals(same(i, j), i === j ? 1 : 0, 1e-6);
          assertAlmostEquals(diagonal(i, j) / scale, i === j ? variances[i]! / scale : 0, 1e-8);
        }
        if (i > 0) assert(variances[i]! <= variances[i - 1]!);
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("learned levels: more of them never fit worse, and Gaussian ones match Max's table", () => {
  const samples = Float64Array.from({ length: 8000 }, (_, i) => probit((i + 0.5) / 8000));
  const variance = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
  let before = Infinity;
  for (const [bits, expected] of [1, 0.3634, 0.1175, 0.03454, 0.009497].entries()) {
    const levels = learnLevels(samples, bits);
    const error = samples.reduce(
      (sum, x) => sum + Math.min(...levels.map((l) => (x - l) ** 2)),
      0,
    ) / samples.length / variance;
    assert(error < before);
    assertAlmostEquals(error, expected, 0.03 * expected + 0.001);
    before = error;
  }
});
