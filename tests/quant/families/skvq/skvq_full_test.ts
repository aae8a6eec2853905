/** `skvq` beyond the overlap subset: reordered and smoothed channels, keys before RoPE. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { HookAnswers, KvKind } from "../../../../quant/family.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { keepSamples } from "../../../../quant/sample_keeper.ts";
import { skvq } from "../../../../quant/families/skvq/skvq.ts";
import {
  channelOrder,
  channelRanges,
  clusterChannels,
} from "../../../../quant/families/skvq/skvq_calibrate.ts";
import type { SkvqSettings } from "../../../../quant/families/skvq/skvq_settings.ts";
import { rotaryTables } from "../../../../engine/rotary.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { testOnBackends } from "../../backends.ts";
import { runs, testCacheProperties, testMoreBits } from "../../cache_properties.ts";
import { calibratedOn, oneLayerScene, type SceneDraw } from "../../calibrated_scenes.ts";
import { type CacheScene, layerData, OpenCache, rotaryOf } from "../../cache_scenes.ts";
import { KV_LOOKS, kvData } from "../../kv_data.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

type Scene = CacheScene<SkvqSettings>;

interface Draw extends SceneDraw {
  readonly answers: HookAnswers;
}

/** Settings calibrated on another sample that looks like the scene's own tensor. */
function calibrated(draw: Draw, changes: Partial<HookAnswers> = {}): SkvqSettings {
  const settings = settingsFor(skvq, { ...draw.answers, ...changes }, draw);
  return calibratedOn(skvq, settings, draw, 40);
}

function sceneOf(draw: Draw, settings = calibrated(draw)): Scene {
  return oneLayerScene(skvq, draw, settings);
}

function draws(options: Record<string, boolean> = {}): fc.Arbitrary<Draw> {
  return fc.record({
    kind: fc.constantFrom<KvKind>("key", "value"),
    heads: fc.integer({ min: 1, max: 3 }),
    headDim: fc.constantFrom(64, 80, 96, 128),
    bits: fc.integer({ min: 1, max: 8 }),
    group: fc.constantFrom(4, 8, 16),
    reorder: fc.boolean(),
    smoothing: fc.boolean(),
    preRope: fc.boolean(),
    fp8: fc.boolean(),
    clip: fc.constantFrom(1, 0.92),
    sink: fc.constantFrom(0, 0, 5),
    residual: fc.constantFrom(0, 0, 7),
    tokens: fc.integer({ min: 1, max: 50 }),
    room: fc.integer({ min: 0, max: 5 }),
    look: fc.constantFrom(...KV_LOOKS),
    seed: fc.nat({ max: 1e6 }),
  }).map((draw) => {
    const chosen: Record<string, boolean> = {
      reorder: draw.reorder,
      smoothing: draw.smoothing,
      pre_rope: draw.preRope,
      fp8_params: draw.fp8,
      ...options,
    };
    return {
      ...draw,
      capacity: draw.tokens + draw.room,
      answers: answers(draw.kind, {
        bits: Array(draw.heads).fill(draw.bits),
        groupSize: draw.group,
        sinkTokens: draw.sink,
        residualLength: draw.residual,
        clipRatio: draw.clip,
        calibrationMode: chosen["reorder"] || chosen["smoothing"] ? "offline" : "none",
        options: chosen,
      }),
    };
  });
}

// Float8 cannot hold the spacing of huge entries, and factors may make subnormal ones huge.
testCacheProperties("skvq rearranged", draws({ reorder: true }).map((draw) => sceneOf(draw)));
testCacheProperties("skvq before RoPE", draws({ pre_rope: true }).map((draw) => sceneOf(draw)));

testMoreBits(
  "skvq rearranged",
  draws({ reorder: true, pre_rope: false, fp8_params: false })
    .filter(({ tokens }) => tokens >= 30).map((draw) => {
      const normal: Draw = {
        ...draw,
        look: "normal",
        answers: { ...draw.answers, clipRatio: 1, residualLength: 0, sinkTokens: 0 },
      };
      const withBits = (bits: number) =>
        sceneOf(normal, calibrated(normal, { bits: Array(draw.heads).fill(bits) }));
      return { scene: withBits(1), withBits };
    }),
);

testOnBackends("skvq: rearranged groups are within half a step", async (backend) => {
  await fc.assert(
    fc.asyncProperty(draws({ pre_rope: false, fp8_params: false }), async (draw) => {
      const settings = calibrated({
        ...draw,
        answers: { ...draw.answers, clipRatio: 1 },
      });
      const scene = sceneOf(draw, settings);
      const [data] = layerData(scene);
      const [restored] = await (await new OpenCache(backend, scene).grow([scene.tokens])).restore();
      const { heads, headDim, capacity } = draw;
      const { order, starts, factors } = channelOrder(settings, heads * headDim);
      const { from, to } = skvq.quantizedRange(settings, scene.tokens);
      for (let token = from; token < to; token++) {
        for (let group = 0; group < settings.groups; group++) {
          const channels = [...order.subarray(starts[group]!, starts[group + 1]!)];
          const indices = channels.map((channel) =>
            (Math.floor(channel / headDim) * capacity + token) * headDim + channel % headDim
          );
          const scaled = indices.map((index, i) => data![index]! * factors[channels[i]!]!);
          const [low, high] = [Math.min(...scaled), Math.max(...scaled)];
          const top = settings.topCodes[0]!;
          const step = Math.max((high - low) / top, 1e-5);
          const stored = (Math.abs(low) + top * step) * 2 ** -11 + (top + 1) * 2 ** -25;
          for (const [i, index] of indices.entries()) {
            const x = scaled[i]!;
            const error = Math.abs(restored![index]! * factors[channels[i]!]! - x);
            const bound = step / 2 + stored + 1e-5 * (Math.abs(x) + step);
            assert(error <= bound, `channel ${channels[i]}: off by ${error} > ${bound}`);
          }
        }
      }
    }),
    runs(backend, 30),
  );
});

testOnBackends("skvq: keys before RoPE are rotated when restored", async (backend) => {
  await fc.assert(
    fc.asyncProperty(draws(), async (draw) => {
      const key: Draw = { ...draw, kind: "key", answers: { ...draw.answers, kind: "key" } };
      const options = { ...draw.answers.options, pre_rope: true };
      const before = calibrated(key, { options });
      const restore = async (settings: SkvqSettings) => {
        const scene = sceneOf(key, settings);
        return (await (await new OpenCache(backend, scene).grow([key.tokens])).restore())[0]!;
      };
      const rotated = await restore(before);
      const unrotated = await restore({ ...before, preRope: false });
      const { heads, headDim, capacity } = key;
      const pairs = headDim / 2;
      const { cos, sin } = rotaryTables(capacity, rotaryOf(headDim));
      const { from, to } = skvq.quantizedRange(before, key.tokens);
      for (let head = 0; head < heads; head++) {
        for (let token = from; token < to; token++) {
          for (let i = 0; i < pairs; i++) {
            const at = (head * capacity + token) * headDim + i;
            const [a, b] = [unrotated[at]!, unrotated[at + pairs]!];
            const [c, s] = [cos[token * pairs + i]!, sin[token * pairs + i]!];
            const size = 1e-6 * (Math.abs(a) + Math.abs(b)) + 1e-30;
            assert(Math.abs(rotated[at]! - (a * c - b * s)) <= size);
            assert(Math.abs(rotated[at + pairs]! - (b * c + a * s)) <= size);
          }
        }
      }
    }),
    runs(backend, 15),
  );
});

const plain: Draw = {
  kind: "key",
  heads: 2,
  headDim: 64,
  tokens: 20,
  capacity: 20,
  look: "outlier channels",
  seed: 9,
  answers: answers("key", { groupSize: 16 }),
};

testOnBackends("skvq: reorder and smoothing help where channels differ", async (backend) => {
  const error = async (options: Record<string, boolean>) => {
    const calibrationMode = Object.keys(options).length > 0 ? "offline" : "none";
    const scene = sceneOf(plain, calibrated(plain, { options, calibrationMode }));
    const [data] = layerData(scene);
    const [restored] = await (await new OpenCache(backend, scene).grow([20])).restore();
    // Where it matters: the small channels that share a group with large ones.
    const squares = data!.map((x, i) => i % 8 === 3 ? 0 : (restored![i]! - x) ** 2);
    return squares.reduce((a, b) => a + b, 0);
  };
  const without = await error({});
  assert(await error({ reorder: true }) < without / 4);
  assert(await error({ smoothing: true }) < without / 4);
});

testOnBackends("skvq: swapping full settings of keys and values changes both", async (backend) => {
  for (
    const [a, b] of [
      [{ options: { reorder: true } }, { options: { smoothing: true } }],
      [{ options: { reorder: true } }, { options: { reorder: true, fp8_params: true } }],
      [{ groupSize: 16, options: { reorder: true } }, {
        groupSize: 64,
        options: { reorder: true },
      }],
    ] as const
  ) {
    for (const kind of ["key", "value"] as const) {
      const restore = async (changes: Partial<HookAnswers>) => {
        const given = calibrated(plain, { kind, calibrationMode: "offline", ...changes });
        const scene = sceneOf({ ...plain, kind }, given);
        return await (await new OpenCache(backend, scene).grow([20])).restore();
      };
      assertNotEquals(await restore(a), await restore(b));
    }
  }
});

Deno.test("skvq: channels with alike ranges share a group", () => {
  const { heads, headDim, capacity } = { heads: 2, headDim: 64, capacity: 50 };
  const data = kvData(heads * capacity, headDim, "outlier channels", 2);
  const keys = [{ heads, headDim, capacity, data }];
  const layer = { keys, preRopeKeys: keys, values: keys, queries: [] };
  const { layers } = keepSamples({ layers: [layer], rotary: rotaryOf(headDim) });
  const ranges = channelRanges(layers[0]!.ranges.keys);
  const { order, starts } = clusterChannels(ranges, 2);
  assertEquals([...order].sort((a, b) => a - b), Array.from({ length: 128 }, (_, i) => i));
  const groups = [order.subarray(0, starts[1]), order.subarray(starts[1])];
  const large = groups.find((group) => group.length === 16)!;
  assert(large.every((channel) => channel % 8 === 3));
});

Deno.test("skvq: what the full settings cannot express is refused in one sentence", () => {
  const shape = { heads: 2, headDim: 64 };
  const offline = { calibrationMode: "offline" as const, groupSize: 16 };
  for (
    const [changes, part] of [
      [{ options: { reorder: true } }, 'must be "offline"'],
      [{ calibrationMode: "offline" }, "nothing to calibrate"],
      [{ ...offline, options: { reorder: true }, bits: [2, 4] }, "2 and 4 bits"],
      [{ ...offline, options: { smoothing: true }, axis: "channel" }, 'must be "token"'],
      [{ ...offline, options: { reorder: 1 } }, "true or false"],
    ] as const
  ) {
    assertThrows(() => settingsFor(skvq, answers("key", changes), shape), QuantizerError, part);
  }
});

testOnBackends("skvq: a calibration that is no order of the channels is refused", (backend) => {
  const good = calibrated(plain, { calibrationMode: "offline", options: { reorder: true } });
  const { order, starts } = good.calibration as { order: Int32Array; starts: Int32Array };
  const damaged = [
    { order: Int32Array.from(order).fill(0), starts },
    { order: Int32Array.from(order).fill(-1, 3, 4), starts },
    { order, starts: Int32Array.from(starts).reverse() },
    { order, starts: Int32Array.from(starts).fill(0) },
    { order: order.slice(1), starts },
    {},
  ] as NonNullable<SkvqSettings["calibration"]>[];
  for (const calibration of damaged) {
    assertThrows(
      () => new OpenCache(backend, sceneOf(plain, { ...good, calibration })),
      QuantizerError,
    );
  }
});

testOnBackends("skvq: clipping moves a constant group of any size by (1 - c)", async (backend) => {
  for (const value of [1e7, -1e7, 3, -3]) {
    const given = {
      calibrationMode: "offline" as const,
      clipRatio: 0.92,
      options: { reorder: true },
    };
    const settings: SkvqSettings = { ...calibrated(plain, given), paramDtype: "f32" };
    const scene = sceneOf(plain, settings);
    const data = layerData(scene).map((entries) => entries.fill(value));
    const [restored] = await (await new OpenCache(backend, scene, data).grow([20])).restore();
    // The scale is at its floor, and a positive constant saturates the code.
    const wanted = 0.92 * value + (value > 0 ? 15 * 1e-5 : 0);
    for (const x of restored!) {
      const bound = 1e-6 * (Math.abs(value) + 1);
      assert(Math.abs(x - wanted) <= bound, `${value} became ${x}`);
    }
  }
});
