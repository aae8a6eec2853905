/** Properties of `transform`, each on every backend. */
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
import { principalAxes } from "../../../../quant/numerics/principal_axes.ts";
import { alphabetsOf, encode } from "../../../../quant/packing/entropy_coder.ts";
import { toHalfBits } from "../../../../quant/packing/half.ts";
import { symbolOf } from "../../../../quant/families/transform/component_codes.ts";
import { transform } from "../../../../quant/families/transform/transform.ts";
import { GROUP_TOKENS } from "../../../../quant/families/transform/transform_layout.ts";
import type {
  ComponentStep,
  TransformSettings,
} from "../../../../quant/families/transform/transform_settings.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { testOnBackends } from "../../backends.ts";
import { runs, testCacheProperties } from "../../cache_properties.ts";
import { calibratedOn, oneLayerScene, type SceneDraw } from "../../calibrated_scenes.ts";
import { type CacheScene, layerData, OpenCache, rootMeanSquare } from "../../cache_scenes.ts";
import { KV_LOOKS, kvData } from "../../kv_data.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

type Scene = CacheScene<TransformSettings>;

interface Draw extends SceneDraw {
  readonly codeWidth: number;
  readonly steps: readonly ComponentStep[];
  readonly residual: number;
  readonly sink: number;
}

/** Settings of a draw, without what they have to learn. */
function uncalibrated(draw: Draw): TransformSettings {
  const { kind, heads, headDim, steps, codeWidth } = draw;
  const given: HookAnswers = answers(kind, {
    bits: new Array(heads).fill(codeWidth),
    axis: "token",
    residualLength: draw.residual,
    sinkTokens: draw.sink,
    calibrationMode: "offline",
    options: {
      steps: Array.from({ length: heads * headDim }, (_, i) => steps[i % steps.length]!),
    },
  });
  return settingsFor(transform, given, { heads, headDim });
}

/** Settings calibrated on another sample that looks like the scene's own tensor. */
function calibrated(draw: Draw): TransformSettings {
  return calibratedOn(transform, uncalibrated(draw), draw, 120, 2);
}

function sceneOf(draw: Draw, settings = calibrated(draw)): Scene {
  return oneLayerScene(transform, draw, settings);
}

const steps = fc.array(
  fc.oneof(
    fc.constantFrom<ComponentStep>("absent", "exact"),
    fc.double({ min: 0.05, max: 4, noNaN: true }),
  ),
  { minLength: 1, maxLength: 7 },
);

const draws: fc.Arbitrary<Draw> = fc.record({
  kind: fc.constantFrom<KvKind>("key", "value"),
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: fc.constantFrom(64, 64, 80, 96, 128),
  codeWidth: fc.integer({ min: 1, max: 8 }),
  steps,
  residual: fc.constantFrom(0, 0, 7),
  sink: fc.constantFrom(0, 0, 1, 5),
  tokens: fc.integer({ min: 1, max: 70 }),
  room: fc.integer({ min: 0, max: 5 }),
  look: fc.constantFrom(...KV_LOOKS),
  seed: fc.nat({ max: 1e6 }),
}).map(({ room, ...draw }) => ({ ...draw, capacity: draw.tokens + room }));

/** Draws that quantize a group at least. */
const fullDraws = draws.filter((d) => d.tokens >= d.sink + d.residual + GROUP_TOKENS);

testCacheProperties("transform", draws.map((draw) => sceneOf(draw)));

/** A draw of plain values, all components in one step. */
const plain = (draw: Draw, step: ComponentStep): Draw => ({
  ...draw,
  kind: "value",
  look: "normal",
  steps: [step],
});

testOnBackends("transform: half the step lowers the error", async (backend) => {
  await fc.assert(
    fc.asyncProperty(fullDraws, async (draw) => {
      let before = Infinity;
      for (const step of [2, 1, 0.5, 0.25, 0.125]) {
        const scene = sceneOf({ ...plain(draw, step), codeWidth: 8 });
        const data = layerData(scene);
        const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
        const error = rootMeanSquare(scene, await cache.restore(), data);
        assert(error < before, `step ${step}: ${error}, before ${before}`);
        before = error;
      }
    }),
    runs(backend, 10),
  );
});

testOnBackends("transform: no component is off by more than its cell is wide", async (backend) => {
  await fc.assert(
    fc.asyncProperty(
      fullDraws,
      fc.constantFrom(0.25, 0.5, 1, 2),
      fc.integer({ min: 1, max: 8 }),
      async (draw, step, codeWidth) => {
        const scene = sceneOf({ ...plain(draw, step), codeWidth });
        const { heads, headDim, capacity, settings: [settings] } = scene;
        const { forward, steps } = settings!.calibration! as Record<string, Float32Array>;
        const data = layerData(scene);
        const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
        const [restored] = await cache.restore();
        const { from, to } = transform.quantizedRange(settings!, scene.tokens);
        const n = forward!.length / (heads * headDim);
        for (let token = from; token < to; token++) {
          const error = Float64Array.from({ length: heads * headDim }, (_, i) => {
            const at = (Math.floor(i / headDim) * capacity + token) * headDim + i % headDim;
            return restored![at]! - data[0]![at]!;
          });
          for (let i = 0; i < heads * headDim; i++) {
            const start = i - i % n;
            let along = 0;
            for (let c = 0; c < n; c++) along += forward![i * n + c]! * error[start + c]!;
            // 1.2 steps, and the rounding of escapes and of the products.
            assert(Math.abs(along) <= 1.2 * steps![i]! + 0.01, `${along} at a step ${steps![i]}`);
          }
        }
      },
    ),
    runs(backend, 12),
  );
});

testOnBackends(
  "transform: exact components restore the tensor but for rounding",
  async (backend) => {
    await fc.assert(
      fc.asyncProperty(fullDraws, async (draw) => {
        const scene = sceneOf(plain(draw, "exact"));
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
    fc.asyncProperty(fullDraws, async (draw) => {
      const restore = async (kind: KvKind) => {
        const scene = sceneOf({ ...plain(draw, 0.5), kind });
        return (await (await new OpenCache(backend, scene).grow([scene.tokens])).restore())[0]!;
      };
      assertNotEquals([...await restore("key")], [...await restore("value")]);
    }),
    runs(backend, 8),
  );
});

testOnBackends(
  "transform: streams are what the entropy coder makes of the steps",
  async (backend) => {
    const [headDim, symbols, tokens, capacity] = [8, 8, 2 * GROUP_TOKENS + 3, 40];
    const settings = uncalibrated({
      kind: "value",
      heads: 1,
      headDim,
      tokens,
      capacity,
      look: "normal",
      seed: 0,
      codeWidth: 3,
      steps: ["exact", 1, "absent", 1, 1, 1, 1, 1],
      residual: 0,
      sink: 1,
    });
    const identity = Float32Array.from(
      { length: headDim * headDim },
      (_, i) => i % (headDim + 1) === 0 ? 1 : 0,
    );
    const stored = [0, 1, 3, 4, 5, 6, 7];
    const frequencies = stored.flatMap((i) =>
      i === 0 ? [0, 0, 0, 0, 0, 0, 0, 4096] : [1000 + i, 1000 - i, 900, 600, 300, 200, 95, 1]
    );
    const levels = stored.flatMap(() => [0, 1, -1, 2, -2, 3, -3, 0]);
    const calibration = {
      mean: new Float32Array(headDim),
      forward: identity,
      inverse: identity,
      steps: new Float32Array(headDim).fill(1).with(0, 0),
      levels: Float32Array.from(levels),
      frequencies: Int32Array.from(frequencies),
    };
    // Whole steps, some further out than the alphabet reaches.
    const data = Float32Array.from(
      { length: capacity * headDim },
      (_, i) => (i * 7 + Math.floor(i / headDim) * 3) % 11 - 5,
    );
    const scene: Scene = {
      ...sceneOf({ ...PLACE, tokens, capacity, headDim }, { ...settings, calibration }),
      kind: "value",
    };
    const cache = await new OpenCache(backend, scene, [data]).grow([20, tokens]);
    const [streams, ends] = (await cache.contents())[0]!;
    const alphabets = alphabetsOf(symbols, frequencies);
    let first = 0;
    for (let group = 0; group < 2; group++) {
      const codes: number[] = [], raw: number[] = [];
      for (let t = 1 + group * GROUP_TOKENS; t < 1 + (group + 1) * GROUP_TOKENS; t++) {
        for (const i of stored) {
          const x = data[t * headDim + i]!;
          const escapes = i === 0 || Math.abs(x) > 3;
          codes.push(escapes ? symbols - 1 : symbolOf(x));
          raw.push(escapes ? toHalfBits(x) : 0);
        }
      }
      const words = new Uint32Array(400);
      const bits = encode(alphabets, Uint8Array.from(codes), Uint16Array.from(raw), words);
      assertEquals(ends!.words[group], 32 * first + bits);
      const count = Math.ceil(bits / 32);
      assertEquals(streams!.words.slice(first, first + count), words.slice(0, count));
      first += count;
    }
    assertEquals(streams!.words.length, first);
    const [restored] = await cache.restore();
    for (let t = 1; t < 1 + 2 * GROUP_TOKENS; t++) {
      for (let i = 0; i < headDim; i++) {
        assertEquals(restored![t * headDim + i], i === 2 ? 0 : data[t * headDim + i]);
      }
    }
  },
);

/** Where hand-made settings are put. */
const PLACE: Draw = {
  kind: "value",
  heads: 1,
  headDim: 8,
  tokens: 1,
  capacity: 1,
  look: "normal",
  seed: 0,
  codeWidth: 3,
  steps: [1],
  residual: 0,
  sink: 1,
};

Deno.test("transform: steps, widths, axis and mode are checked", () => {
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
      { bits: [4, 3] },
      "has one width for all heads of a layer, but head 0 was given 4 bits and head 1 3",
    ],
    [
      { options: { steps: [1] } },
      'option "steps" has 1 entries; expected one step for each of 128',
    ],
    [{ options: { steps: new Array(128).fill(0) } }, "is 0 at component 0; expected a positive"],
    [{ options: { steps: new Array(128).fill("none") } }, 'is "none" at component 0'],
    [{ options: { steps: null } }, 'option "steps" has no array; expected one step'],
    [{ lesson: [{ key: [1], value: [] }] }, "what calibrate returned for it has 1 entries"],
    [{ lesson: null }, "what calibrate returned for it has no array"],
    [{ options: { rotate: true } }, 'has no option "rotate"'],
  ];
  for (const [changes, message] of refused) {
    assertThrows(() => settingsFor(transform, given(changes), shape), QuantizerError, message);
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
