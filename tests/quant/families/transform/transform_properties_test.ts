/** Properties of `transform`, each on every backend. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import type { Calibration } from "../../../../quant/calibration.ts";
import { bytesOfConstant, type HookAnswers, type KvKind } from "../../../../quant/family.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { principalAxes } from "../../../../quant/numerics/principal_axes.ts";
import { encode } from "../../../../quant/packing/entropy_streams.ts";
import { probit } from "../../../../quant/numerics/probit.ts";
import { toHalfBits } from "../../../../quant/packing/half.ts";
import {
  CERTAIN_ESCAPE,
  chooseTable,
  coarserTable,
  RATIOS,
  sharedAlphabets,
  TABLES,
} from "../../../../quant/families/transform/component_alphabets.ts";
import {
  ComponentValues,
  DEAD_ZONE,
  symbolOf,
} from "../../../../quant/families/transform/component_codes.ts";
import { transform } from "../../../../quant/families/transform/transform.ts";
import { blockHeads } from "../../../../quant/families/transform/transform_axes.ts";
import {
  axisBits,
  axisWords,
  packMatrix,
  unpackAxis,
  unpackMatrix,
} from "../../../../quant/families/transform/transform_matrix.ts";
import {
  GROUP_TOKENS,
  LEAST_GROUP_BITS,
  LEVEL_BITS,
  LEVEL_FACTORS,
  NOTHING_CODED,
  PLANNED_LEVEL,
} from "../../../../quant/families/transform/transform_layout.ts";
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
  readonly mostBits?: number | undefined;
}

/** Settings of a draw, without what they have to learn. */
function uncalibrated(draw: Draw): TransformSettings {
  const { kind, heads, headDim, steps, codeWidth, mostBits } = draw;
  const given: HookAnswers = answers(kind, {
    bits: new Array(heads).fill(codeWidth),
    axis: "token",
    residualLength: draw.residual,
    sinkTokens: draw.sink,
    calibrationMode: "offline",
    options: {
      steps: Array.from({ length: heads * headDim }, (_, i) => steps[i % steps.length]!),
      ...(mostBits === undefined ? {} : { most_bits: mostBits }),
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
  mostBits: fc.constantFrom(undefined, 0.07, 0.5, 1.5, 3),
  tokens: fc.integer({ min: 1, max: 70 }),
  room: fc.integer({ min: 0, max: 5 }),
  look: fc.constantFrom(...KV_LOOKS),
  seed: fc.nat({ max: 1e6 }),
}).map(({ room, ...draw }) => ({ ...draw, capacity: draw.tokens + room }));

/** Draws that quantize a group at least. */
const fullDraws = draws.filter((d) => d.tokens >= d.sink + d.residual + GROUP_TOKENS);

testCacheProperties("transform", draws.map((draw) => sceneOf(draw)));

/** A draw of plain values, all components in one step, without a bound. */
const plain = (draw: Draw, step: ComponentStep): Draw => ({
  ...draw,
  mostBits: undefined,
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
        const steps = settings!.calibration!.steps as Float32Array;
        const widest = Math.max(...steps);
        const data = layerData(scene);
        const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
        const [restored] = await cache.restore();
        const { from, to } = transform.quantizedRange(settings!, scene.tokens);
        const { scales, axes } = axesOf(settings!);
        const n = axes[0]!.length;
        for (let token = from; token < to; token++) {
          const error = Float64Array.from({ length: heads * headDim }, (_, i) => {
            const at = (Math.floor(i / headDim) * capacity + token) * headDim + i % headDim;
            return scales[i]! * (restored![at]! - data[0]![at]!);
          });
          for (const [i, axis] of axes.entries()) {
            const start = i - i % n;
            const along = axis.reduce((sum, x, c) => sum + x * error[start + c]!, 0);
            // 1.2 steps, what the way forth and back are short of inverse, and rounding.
            const most = 1.2 * Math.abs(steps![i]!) + 0.1 * widest + 0.01;
            assert(Math.abs(along) <= most, `${along} at a step ${steps![i]}`);
          }
        }
      },
    ),
    runs(backend, 12),
  );
});

/** Scales of the channels, and what turns them into components, of settings that store all. */
function axesOf({ heads, headDim, calibration }: TransformSettings) {
  const { scales, matrix } = calibration as Record<string, Float32Array<ArrayBuffer>>;
  const channels = blockHeads(heads, headDim) * headDim;
  const words = new Uint32Array(matrix!.buffer);
  const columns = (channels + 3) & ~3;
  const axes: Float32Array[] = [];
  for (let at = 0; axes.length < heads * headDim; at += axisWords(channels, channels)) {
    const { forth } = unpackMatrix(words, at, channels, channels);
    for (let k = 0; k < channels; k++) {
      axes.push(forth.subarray(k * columns, k * columns + channels));
    }
  }
  return { scales: scales!, axes };
}

Deno.test("transform: packed axes are close to those that were learned, and of length 1", () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 40 }), fc.nat({ max: 1e6 }), (n, seed) => {
    const rows = kvData(4 * n, n, "normal", seed);
    const covariance = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        for (let r = 0; r < 4 * n; r++) {
          covariance[i * n + j]! += rows[r * n + i]! * rows[r * n + j]!;
        }
      }
    }
    const metric = Float64Array.from({ length: n }, (_, i) => 0.5 + (i * 7 + seed) % 5);
    const { forward } = principalAxes(covariance, metric, n);
    const chosen = Array.from({ length: n }, (_, i) => i).filter((i) => i % 3 !== 1);
    const { scales, words } = packMatrix(forward, n, chosen);
    const packed = new Uint32Array(words.buffer);
    metric.forEach((cost, c) => assertAlmostEquals(scales[c]!, Math.sqrt(cost), 1e-5));
    for (const [k, axis] of chosen.entries()) {
      const codes = new Int32Array(n);
      const bits = axisBits(k, n);
      const scale = unpackAxis(packed, axisWords(k, n), n, bits, codes);
      const unit = Array.from(codes, (code) => code * scale);
      assertAlmostEquals(Math.hypot(...unit), 1, 1e-6);
      // The cosine of the angle between them.
      const along = unit.reduce((sum, x, c) => sum + x * forward[axis * n + c]! / scales[c]!, 0);
      assert(along > 1 - 2 * n / 4 ** bits, `${along} with ${bits} bits`);
    }
    // Way forth and way back undo each other on what the axes span.
    const { forth, back } = unpackMatrix(packed, 0, chosen.length, n);
    const columns = (n + 3) & ~3;
    const stored = back.length / columns;
    for (let i = 0; i < chosen.length; i++) {
      for (let j = 0; j < chosen.length; j++) {
        let sum = 0;
        for (let c = 0; c < n; c++) sum += forth[i * columns + c]! * back[c * stored + j]!;
        assertAlmostEquals(sum, i === j ? 1 : 0, 8 * n / 4 ** 6);
      }
    }
  }));
});

testOnBackends("transform: constants take what their layout says", async (backend) => {
  // 128 channels: three eighths of the axes at 3 bits, two at 4, and one each at 5, 6 and 7.
  const matrix = 16 * 128 / 8 * (7 + 6 + 5 + 2 * 4 + 3 * 3);
  for (const kind of ["key", "value"] as const) {
    const scene = sceneOf({
      ...PLACE,
      kind,
      look: "outlier channels",
      heads: 2,
      headDim: 64,
      tokens: 40,
      capacity: 40,
    });
    const { stores: [store] } = await new OpenCache(backend, scene).grow([scene.tokens]);
    const bytes = Object.fromEntries(
      store!.constants!().map((constant) => [constant.role, bytesOfConstant(constant)]),
    );
    assertEquals(bytes.matrix, matrix);
    if (backend.name === "gpu") {
      assertEquals([bytes.axes, bytes.lengths, bytes.channels, bytes.planned], [
        512,
        512,
        512,
        512,
      ]);
    } else {
      // An error in any channel of a value costs the same.
      const scales = kind === "key" ? 2 * 128 : 2;
      assertEquals([bytes.mean, bytes.steps, bytes.tables], [2 * 128, 2 * 128, 128]);
      assertEquals(bytes.scales, scales);
    }
  }
});

testOnBackends(
  "transform: what leaves all components out is coded all the same",
  async (backend) => {
    const scene = sceneOf({ ...PLACE, headDim: 64, tokens: 40, capacity: 40, steps: ["absent"] });
    const cache = await new OpenCache(backend, scene).grow([scene.tokens]);
    const [streams, ends] = cache.stores[0]!.buffers(scene.tokens);
    // Two groups; each takes its head and the coder's state.
    assertEquals([streams!.codes, streams!.bits], [[2 * 16 * 64], [2 * 20 / (2 * 16 * 64)]]);
    assertEquals([streams!.bytes, ends!.bytes], [8, 8]);
  },
);

testOnBackends(
  "transform: exact components restore the tensor but for rounding",
  async (backend) => {
    await fc.assert(
      fc.asyncProperty(fullDraws, async (draw) => {
        const scene = sceneOf(plain(draw, "exact"));
        const data = layerData(scene);
        const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
        assert(rootMeanSquare(scene, await cache.restore(), data) < 0.03);
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
  "transform: streams are what the entropy coder makes of the steps, at the level that fits",
  async (backend) => {
    const [headDim, symbols, groups, capacity] = [8, 8, 4, 80];
    const tokens = 1 + groups * GROUP_TOKENS;
    const stored = [0, 1, 3, 4, 5, 6, 7];
    const tables = [7, 60, 0, 61, 62, 63, 64, 65];
    const alphabets = sharedAlphabets(symbols);
    // Whole steps, some further out than the alphabet reaches.
    const data = Float32Array.from(
      { length: capacity * headDim },
      (_, i) => (i * 7 + Math.floor(i / headDim) * 3) % 11 - 5,
    );
    const seen = new Set<number>();
    const shifted = new Set<number>();
    for (const mostBits of [undefined, 9, 5, 3, 2, 1.3, 0.8, 0.5]) {
      const settings = uncalibrated({
        ...PLACE,
        tokens,
        capacity,
        steps: ["exact", 1, "absent", 1, 1, 1, 1, 1],
        mostBits,
      });
      const identity = Float64Array.from(
        { length: headDim * headDim },
        (_, i) => i % (headDim + 1) === 0 ? 1 : 0,
      );
      const { scales, words: matrix } = packMatrix(identity, headDim, stored);
      const calibration = {
        mean: new Float32Array(headDim),
        scales,
        matrix,
        steps: new Float32Array(headDim).fill(1).with(0, -0.5),
        alphabets: Int32Array.from(tables),
      };
      const scene: Scene = sceneOf({ ...PLACE, tokens, capacity }, { ...settings, calibration });
      const cache = await new OpenCache(backend, scene, [data]).grow([20, tokens]);
      const [streams, ends] = (await cache.contents())[0]!;
      const [restored] = await cache.restore();
      const step = (i: number, level: number) =>
        Math.fround((i === 0 ? 0.5 : 1) * LEVEL_FACTORS[level]!);
      /** The stream of a group at a level, and what it is restored to. */
      const atLevel = (group: number, level: number) => {
        const words = new Uint32Array(400);
        words[0] = level;
        if (level === NOTHING_CODED) return { words, bits: LEVEL_BITS, values: [] };
        const exact = (i: number) => i === 0 && level <= PLANNED_LEVEL;
        const codes: number[] = [], raw: number[] = [], given: number[] = [];
        for (let t = 1 + group * GROUP_TOKENS; t < 1 + (group + 1) * GROUP_TOKENS; t++) {
          for (const i of stored) {
            const x = data[t * headDim + i]!;
            const magnitude = Math.floor(Math.abs(x) / step(i, level) + 0.5 - DEAD_ZONE);
            const escapes = exact(i) || magnitude > 3;
            codes.push(escapes ? symbols - 1 : symbolOf(Math.sign(x) * magnitude));
            // Four steps are the first that escape; 127 further ones would need the number itself.
            const byte = exact(i) ? 127 : magnitude - 4;
            assert(exact(i) || byte < 127);
            if (escapes) raw.push(byte | (x < 0 ? 128 : 0) | (exact(i) ? toHalfBits(x) << 8 : 0));
            given.push(exact(i) ? x : Math.fround(Math.sign(x) * magnitude * step(i, level)));
          }
        }
        // All are of one band.
        const rows = SHIFTS.map((quarters) =>
          stored.map((i) =>
            exact(i)
              ? CERTAIN_ESCAPE
              : coarserTable(coarserTable(tables[i]!, QUARTERS[level]!), quarters)
          )
        );
        const costs = rows.map((row) =>
          codes.reduce(
            (sum, symbol, at) => sum + alphabets.costs[row[at % row.length]! * symbols + symbol]!,
            0,
          )
        );
        const shift = costs.indexOf(Math.min(...costs));
        shifted.add(shift);
        words[0]! |= shift << LEVEL_BITS;
        const row = rows[shift]!;
        const values = codes.map((symbol, at) => {
          const own = alphabets.levels[row[at % row.length]! * symbols + symbol]!;
          const i = stored[at % row.length]!;
          return symbol === symbols - 1 ? given[at]! : Math.fround(own * step(i, level));
        });
        const bits = encode(
          alphabets,
          Uint16Array.from(row),
          Uint8Array.from(codes),
          Uint32Array.from(raw),
          words,
          LEVEL_BITS + 3,
        );
        return { words, bits, values };
      };
      let last = PLANNED_LEVEL;
      let first = 0;
      for (let group = 0; group < groups; group++) {
        const most = Math.floor((mostBits ?? 1e6) * GROUP_TOKENS * headDim) * (group + 1);
        const fits = (bits: number) => 32 * (first + Math.ceil(bits / 32) + group + 1) <= most;
        let level = mostBits === undefined ? PLANNED_LEVEL : Math.max(0, last - 1);
        while (level < NOTHING_CODED && !fits(atLevel(group, level).bits)) level++;
        seen.add(level);
        last = level;
        const { words, bits, values } = atLevel(group, level);
        assertEquals(ends!.words[group], 32 * first + bits, `group ${group} at ${mostBits}`);
        const count = Math.ceil(bits / 32);
        assertEquals(streams!.words.slice(first, first + count), words.slice(0, count));
        for (let t = 0; t < GROUP_TOKENS; t++) {
          for (let i = 0; i < headDim; i++) {
            const k = stored.indexOf(i);
            const expected = k < 0 ? 0 : values[t * stored.length + k] ?? 0;
            const token = 1 + group * GROUP_TOKENS + t;
            assertEquals(restored![token * headDim + i], expected);
          }
        }
        first += count;
      }
      assertEquals(streams!.words.length, first);
    }
    assert(seen.has(PLANNED_LEVEL) && seen.has(NOTHING_CODED) && seen.size >= 6, [...seen].join());
    assert(Math.min(...seen) < PLANNED_LEVEL && shifted.size > 1, [...shifted].join());
  },
);

/** Quarters of an octave between the levels, as the format has them. */
const QUARTERS = [-8, -6, -4, -2, 0, 2, 4, 6, 8, 12, 16];

/** Quarters of an octave that tables are shifted by, as the format has them. */
const SHIFTS = [-8, -5, -2, 0, 2, 4, 7, 11];

testOnBackends(
  "transform: streams keep to their bound at every length, whatever was learned",
  async (backend) => {
    await fc.assert(
      fc.asyncProperty(
        fullDraws,
        fc.double({ min: 0, max: 4, noNaN: true }),
        fc.constantFrom("own", "foreign", "noise", "zero", "huge", "one outlier"),
        fc.nat(),
        async (draw, above, learned, seed) => {
          const { heads, headDim } = draw;
          const least = LEAST_GROUP_BITS / (GROUP_TOKENS * heads * headDim);
          const mostBits = least + above;
          const settings = calibrated({ ...draw, mostBits });
          const { calibration } = settings;
          const { steps } = calibration as Record<string, Float32Array<ArrayBuffer>>;
          const noise = kvData(heads * headDim, heads * headDim, "normal", seed);
          const changes: Record<typeof learned, Calibration> = {
            own: {},
            foreign: calibratedOn(transform, settings, { ...draw, seed }, 3, 2).calibration!,
            noise: {
              scales: noise.slice(0, heads * headDim),
              matrix: Int32Array.from(
                calibration!.matrix!,
                (_, i) => Math.imul(seed + i, 2654435761),
              ),
            },
            zero: { steps: steps!.map((step) => Math.sign(step) * 1.2e-38) },
            huge: { steps: steps!.map((step) => step * 1e6) },
            "one outlier": { mean: new Float32Array(heads * headDim).fill(3e4) },
          };
          const hostile = { ...settings, calibration: { ...calibration, ...changes[learned] } };
          const scene = sceneOf(draw, hostile);
          const cache = await new OpenCache(backend, scene).grow([scene.tokens]);
          for (let n = 0; n <= scene.tokens; n++) {
            const { from, to } = transform.quantizedRange(hostile, n);
            const bits = 8 * cache.stores[0]!.buffers(n).reduce((sum, { bytes }) => sum + bytes, 0);
            const entries = (to - from) * heads * headDim;
            assert(
              bits <= mostBits * entries,
              `${bits} bits for ${entries} entries at ${mostBits}`,
            );
          }
          for (const restored of await cache.restore()) assert(restored.every(Number.isFinite));
        },
      ),
      runs(backend, 60),
    );
  },
);

Deno.test("transform: tables are distributions in steps, and the likeliest one is chosen", () => {
  for (const symbols of [2, 4, 16, 256]) {
    const { frequencies, levels } = sharedAlphabets(symbols);
    for (let table = 0; table < TABLES; table++) {
      const own = [...frequencies.subarray(table * symbols, (table + 1) * symbols)];
      assertEquals(own.reduce((a, b) => a + b, 0), 4096);
      assert(own.every((frequency) => frequency > 0));
      for (let steps = 1; 2 * steps < symbols; steps++) {
        const [above, below] = [symbolOf(steps), symbolOf(-steps)];
        assert(Math.abs(own[above]! - own[below]!) <= 1);
        const level = levels[table * symbols + above]!;
        assert(level > steps - 0.5 && level < steps + 0.6, `${level} for ${steps} steps`);
        assertEquals(levels[table * symbols + below], -level);
      }
      assertEquals(levels[table * symbols], 0);
    }
  }
  // What the symbols of a normal distribution take at these steps, from tables of its integral.
  const entropy = { 0.5: 3.002, 1: 1.9855, 2: 1.0205 };
  const counts = Int32Array.from({ length: 20_001 }, (_, i) => i);
  const normal = Float32Array.from({ length: 20_000 }, (_, i) => probit((i + 0.5) / 20_000));
  for (const [deviations, bits] of Object.entries(entropy)) {
    const step = Number(deviations);
    const chosen = chooseTable(new ComponentValues(normal, counts).fill(step, 16), step);
    assert(Math.abs(chosen.table % RATIOS - (12 + 4 * Math.log2(step))) <= 1);
    // Its exponent of 2 lies between those of two tables.
    assert(chosen.bits > bits - 1e-3 && chosen.bits < bits + 0.02, `${chosen.bits} at ${step}`);
  }
});

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
      const covariance = square(0);
      const metric = Float64Array.from({ length: n }, (_, i) => 0.5 + (i * 5 + seed) % 7);
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
