/** Properties of `kvquant`, each on every backend. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { HookAnswers, KvKind } from "../../../../quant/family.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { kvquant } from "../../../../quant/families/kvquant/kvquant.ts";
import type { KvquantSettings } from "../../../../quant/families/kvquant/kvquant_settings.ts";
import { rotaryTables } from "../../../../engine/rotary.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { testOnBackends } from "../../backends.ts";
import { runs, testCacheProperties, testMoreBits } from "../../cache_properties.ts";
import { calibratedOn, oneLayerScene, type SceneDraw } from "../../calibrated_scenes.ts";
import { type CacheScene, layerData, OpenCache, rotaryOf } from "../../cache_scenes.ts";
import { KV_LOOKS } from "../../kv_data.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

type Scene = CacheScene<KvquantSettings>;

interface Draw extends SceneDraw {
  readonly answers: HookAnswers;
}

/** Settings calibrated on another sample that looks like the scene's own tensor. */
function calibrated(draw: Draw, changes: Partial<HookAnswers> = {}): KvquantSettings {
  const settings = settingsFor(kvquant, { ...draw.answers, ...changes }, draw);
  return calibratedOn(kvquant, settings, draw, 80);
}

function sceneOf(draw: Draw, settings = calibrated(draw)): Scene {
  return oneLayerScene(kvquant, draw, settings);
}

function draws(pinned: Partial<HookAnswers> = {}): fc.Arbitrary<Draw> {
  return fc.record({
    kind: fc.constantFrom<KvKind>("key", "value"),
    axis: fc.constantFrom("channel" as const, "token" as const),
    heads: fc.integer({ min: 1, max: 3 }),
    headDim: fc.constantFrom(64, 80, 96, 128),
    widths: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 3, maxLength: 3 }),
    method: fc.constantFrom("uniform" as const, "normal" as const, undefined),
    mode: fc.constantFrom("offline" as const, "offline" as const, "none" as const),
    ratio: fc.constantFrom(0, 0.01, 0.01, 0.1),
    sink: fc.constantFrom(0, 0, 1, 5),
    residual: fc.constantFrom(0, 0, 7),
    norm: fc.boolean(),
    tokens: fc.integer({ min: 1, max: 60 }),
    room: fc.integer({ min: 0, max: 5 }),
    look: fc.constantFrom(...KV_LOOKS),
    seed: fc.nat({ max: 1e6 }),
  }).map((draw) => ({
    ...draw,
    capacity: draw.tokens + draw.room,
    answers: answers(draw.kind, {
      bits: draw.widths.slice(0, draw.heads),
      axis: draw.axis,
      outliersRatio: draw.ratio,
      sinkTokens: draw.sink,
      residualLength: draw.residual,
      calibrationMode: draw.mode,
      options: draw.method === undefined && draw.norm ? { q_norm: true } : {},
      ...(draw.method === undefined ? {} : { quantizationMethod: draw.method }),
      ...pinned,
    }),
  }));
}

testCacheProperties("kvquant", draws().map((draw) => sceneOf(draw)));

for (const axis of ["channel", "token"] as const) {
  for (const method of ["uniform", "normal", undefined] as const) {
    const pinned = {
      options: { pre_rope: false },
      axis,
      calibrationMode: "offline" as const,
      outliersRatio: 0.01,
      sinkTokens: 0,
      residualLength: 0,
      ...(method === undefined ? {} : { quantizationMethod: method }),
    };
    testMoreBits(
      `kvquant ${method ?? "codebook"} per ${axis}`,
      draws(pinned).filter(({ tokens }) => tokens >= 20).map((draw) => {
        const normal: Draw = { ...draw, look: "normal" };
        const withBits = (bits: number) =>
          sceneOf(normal, calibrated(normal, { bits: normal.answers.bits.map(() => bits) }));
        return { scene: withBits(1), withBits };
      }),
    );
  }
}

testOnBackends("kvquant: outliers and what lies within a range are near", async (backend) => {
  await fc.assert(
    fc.asyncProperty(
      draws({ quantizationMethod: "uniform", options: { pre_rope: false } }),
      async (draw) => {
        const settings = calibrated(draw);
        const scene = sceneOf(draw, settings);
        const [data] = layerData(scene);
        const [restored] = await (await new OpenCache(backend, scene).grow([scene.tokens]))
          .restore();
        const { heads, headDim, capacity } = scene;
        const { from, to } = kvquant.quantizedRange(settings, scene.tokens);
        const half = (x: number) => Math.abs(x) * 2 ** -11 + 2 ** -25;
        for (let token = from; token < to; token++) {
          const indices = Array.from(
            { length: heads * headDim },
            (_, i) => (Math.floor(i / headDim) * capacity + token) * headDim + i % headDim,
          );
          const entries = indices.map((i) => data![i]!);
          const [least, most] = [Math.min(...entries), Math.max(...entries)];
          for (const [channel, index] of indices.entries()) {
            const bits = settings.bits[Math.floor(channel / headDim)]!;
            const x = data![index]!;
            let low = least, high = most;
            if (settings.axis === "channel") {
              low = settings.calibration!["lower"]![channel]!;
              high = settings.calibration!["upper"]![channel]!;
              // Without outliers, what lies outside a calibrated range is clamped to it.
              if (settings.outliersRatio === 0 && (x < low || x > high)) continue;
            }
            const step = (high - low) / (2 ** bits - 1);
            // Half a step; ranges, offsets and outliers are stored in half precision.
            // Where half precision cannot hold codes per unit, a calibrated range counts as empty.
            const empty = settings.axis === "channel" && step * 65504 < 1;
            const bound = (empty ? high - low : step / 2) +
              4 * (half(high - low) + half(low) + half(high) + half(x));
            const error = Math.abs(restored![index]! - x);
            assert(error <= bound, `entry ${index}: |${restored![index]} - ${x}| > ${bound}`);
          }
        }
      },
    ),
    runs(backend, 40),
  );
});

testOnBackends("kvquant: constant and zero tokens come back as they are", async (backend) => {
  await fc.assert(
    fc.asyncProperty(
      draws({ axis: "token", options: { pre_rope: false } }),
      fc.constantFrom(0, 1, -0.375, -40, 2 ** -10),
      async (draw, value) => {
        const scene = sceneOf(draw);
        const data = layerData(scene).map((entries) => entries.fill(value));
        const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
        const [restored] = await cache.restore();
        assert(restored!.every((x) => x === value || x === -12345));
      },
    ),
    runs(backend, 25),
  );
});

testOnBackends("kvquant: keys before RoPE are rotated when restored", async (backend) => {
  await fc.assert(
    fc.asyncProperty(draws(), async (draw) => {
      const key: Draw = { ...draw, kind: "key", answers: { ...draw.answers, kind: "key" } };
      const before = calibrated(key, { options: { pre_rope: true } });
      const plain: KvquantSettings = { ...before, preRope: false };
      const restore = async (settings: KvquantSettings) => {
        const scene = sceneOf(key, settings);
        return (await (await new OpenCache(backend, scene).grow([key.tokens])).restore())[0]!;
      };
      const [rotated, unrotated] = [await restore(before), await restore(plain)];
      const { heads, headDim, capacity } = key;
      const { cos, sin } = rotaryTables(capacity, rotaryOf(headDim));
      const { from, to } = kvquant.quantizedRange(before, key.tokens);
      const pairs = headDim / 2;
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
    runs(backend, 20),
  );
});

testOnBackends("kvquant: swapping settings of keys and values changes both", async (backend) => {
  const draw: Draw = {
    kind: "key",
    heads: 2,
    headDim: 64,
    tokens: 33,
    capacity: 33,
    look: "normal",
    seed: 3,
    answers: answers("key", { calibrationMode: "offline" }),
  };
  for (
    const [a, b] of [
      [{ bits: [2, 2] }, { bits: [4, 4] }],
      [{ axis: "channel" }, { axis: "token" }],
      [{ outliersRatio: 0 }, { outliersRatio: 0.05 }],
      [{ quantizationMethod: "uniform" }, { quantizationMethod: "normal" }],
      [{ bits: [1, 1], options: { q_norm: true } }, { bits: [1, 1] }],
    ] as const
  ) {
    for (const kind of ["key", "value"] as const) {
      const restore = async (changes: Partial<HookAnswers>) => {
        const scene = sceneOf({ ...draw, kind }, calibrated(draw, { kind, ...changes }));
        return await (await new OpenCache(backend, scene).grow([33])).restore();
      };
      assertNotEquals(await restore(a), await restore(b));
    }
  }
});

Deno.test("kvquant: without calibration ranges are per token and the codebook is NormalFloat", () => {
  const shape = { heads: 2, headDim: 64 };
  const settings = settingsFor(kvquant, answers("key", { axis: "channel" }), shape);
  assertEquals([settings.axis, settings.quantizer, settings.calibrated], ["token", "nf", false]);
  assertEquals(settings.deviations?.length, 2);
  const value = answers("value", { quantizationMethod: "uniform" });
  assertEquals(settingsFor(kvquant, value, shape).deviations, undefined);
});

Deno.test("kvquant: what it cannot express is refused in one sentence", () => {
  const shape = { heads: 2, headDim: 64 };
  for (
    const [changes, part] of [
      [{ bits: [9, 9] }, "9 bits"],
      [{ bits: [4] }, "1 code widths"],
      [{ options: { colour: 1 } }, 'no option "colour"'],
      [{ options: { q_norm: 1 } }, "true or false"],
      [{ residualLength: -1 }, "residual_length is -1"],
      [
        { bits: [2, 4], quantizationMethod: "uniform", options: { round_zero: true } },
        "whole zero points",
      ],
      [{ options: { round_zero: true } }, "round_zero"],
      [{ quantizationMethod: "normal", options: { q_norm: true } }, "q_norm"],
    ] as const
  ) {
    assertThrows(() => settingsFor(kvquant, answers("key", changes), shape), QuantizerError, part);
  }
  assertThrows(
    () =>
      settingsFor(kvquant, answers("key", { bits: Array(1025).fill(4) }), {
        heads: 1025,
        headDim: 64,
      }),
    QuantizerError,
    "16-bit positions",
  );
});

testOnBackends("kvquant: calibrated settings without a calibration are refused", (backend) => {
  const given = answers("key", { axis: "channel", calibrationMode: "offline" });
  const settings = settingsFor(kvquant, given, { heads: 2, headDim: 64 });
  const scene: Scene = {
    family: kvquant,
    kind: "key",
    settings: [settings],
    heads: 2,
    headDim: 64,
    tokens: 4,
    capacity: 4,
    look: "normal",
    seed: 1,
  };
  assertThrows(() => new OpenCache(backend, scene), QuantizerError, "was not given the calibrated");
  const wrong = { upper: new Float16Array(3), lower: new Float16Array(3) };
  const damaged = { ...scene, settings: [{ ...settings, calibration: wrong }] };
  assertThrows(() => new OpenCache(backend, damaged), QuantizerError, "these settings need 128");
});
