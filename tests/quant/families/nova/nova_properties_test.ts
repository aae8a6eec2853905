/** Properties of `nova`, each on every backend. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { KeptSamples } from "../../../../quant/calibration.ts";
import { codewordsOf, learnCodebook } from "../../../../quant/families/nova/key_codebook.ts";
import { nova } from "../../../../quant/families/nova/nova.ts";
import type { NovaSettings } from "../../../../quant/families/nova/nova_settings.ts";
import type { Family, HookAnswers, KvKind } from "../../../../quant/family.ts";
import { learn } from "../../../../quant/learned.ts";
import { keepSamples } from "../../../../quant/sample_keeper.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { testOnBackends } from "../../backends.ts";
import { testCacheProperties } from "../../cache_properties.ts";
import { type CacheScene, OpenCache, rotaryOf } from "../../cache_scenes.ts";
import { KV_LOOKS, kvData, type KvLook } from "../../kv_data.ts";
import { lookSamples } from "../../look_samples.ts";
import { answers } from "../../stores/affine/affine_answers.ts";

interface Draw {
  readonly kind: KvKind;
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly tokens: number;
  readonly look: KvLook;
  readonly seed: number;
  readonly residual: number;
  readonly sink: number;
}

function sceneOf(draw: Draw, kept: KeptSamples = lookSamples(draw)): CacheScene<NovaSettings> {
  const { kind, layers, heads, headDim, tokens, look, seed } = draw;
  const settings = Array.from({ length: layers }, (_, layer) => {
    const own = settingsFor(
      nova,
      answers(kind, {
        layer,
        bits: new Array(heads).fill(2),
        residualLength: draw.residual,
        sinkTokens: draw.sink,
        calibrationMode: "offline",
      }),
      { heads, headDim },
    );
    return { ...own, calibration: learn(nova as unknown as Family, kept, own) };
  });
  return { family: nova, kind, settings, heads, headDim, tokens, capacity: tokens + 3, look, seed };
}

testCacheProperties(
  "nova",
  fc.record({
    kind: fc.constantFrom<KvKind>("key", "value"),
    layers: fc.integer({ min: 1, max: 2 }),
    heads: fc.integer({ min: 1, max: 3 }),
    headDim: fc.constantFrom(16, 32),
    tokens: fc.integer({ min: 1, max: 30 }),
    look: fc.constantFrom(...KV_LOOKS),
    seed: fc.nat({ max: 1e6 }),
    residual: fc.constantFrom(0, 0, 7),
    sink: fc.constantFrom(0, 0, 1, 5),
  }).map((draw) => sceneOf(draw)),
);

/** One head of 16 channels, and queries that look along the first of them alone, or nearly. */
function lookedAlong(
  share: number,
): { scene: CacheScene<NovaSettings>; data: Float32Array<ArrayBuffer> } {
  const tokens = 600;
  const shape = { heads: 1, capacity: tokens, headDim: 16 };
  const data = kvData(tokens, 16, "normal", 8);
  const queries = kvData(tokens, 16, "normal", 9).map((x, i) => i % 16 === 0 ? x : share * x);
  const tensor = { ...shape, data };
  const kept = keepSamples({
    rotary: rotaryOf(16),
    layers: [{
      keys: [tensor],
      preRopeKeys: [tensor],
      values: [tensor],
      queries: [{ ...shape, data: queries }],
    }],
  });
  const draw: Draw = {
    ...{ kind: "key", layers: 1, heads: 1, headDim: 16, tokens, look: "normal", seed: 1 },
    ...{ residual: 0, sink: 0 },
  };
  return { scene: { ...sceneOf(draw, kept), capacity: tokens }, data };
}

testOnBackends("nova: keys are closest where queries look", async (backend) => {
  const lost: number[][] = [];
  for (const share of [1, 0.2]) {
    const { scene, data } = lookedAlong(share);
    const [restored] = await (await new OpenCache(backend, scene, [data]).grow([600])).restore();
    const squares = [0, 0];
    restored!.forEach((x, i) => squares[i % 16 === 0 ? 0 : 1]! += (x - data[i]!) ** 2);
    lost.push([squares[0]! / 600, squares[1]! / 600 / 15]);
  }
  // Of normal numbers a tenth of the square would be lost, whichever channel it is; codewords that were
  // learned from few points, and these, lose less.
  for (const x of lost[0]!) assert(x > 0.02 && x < 0.1, `${lost[0]}`);
  assert(lost[1]![0]! < 0.5 * lost[0]![0]!, `${lost}`);
  assert(lost[1]![1]! > lost[0]![1]!, `${lost}`);
});

testOnBackends(
  "nova: values are two bits between extremes, the largest clipped",
  async (backend) => {
    const draw: Draw = {
      ...{ kind: "value", layers: 1, heads: 1, headDim: 16, tokens: 1, look: "normal", seed: 2 },
      ...{ residual: 0, sink: 0 },
    };
    const plain = sceneOf(draw);
    // Components are the channels themselves.
    const rotation = Float32Array.from({ length: 256 }, (_, i) => i % 17 === 0 ? 1 : 0);
    const scene = {
      ...plain,
      capacity: 1,
      settings: plain.settings.map((own) => ({ ...own, calibration: { rotation } })),
    };
    // 0.92 of 16 is 14: what is above the fifteenth, 6, is clipped to it.
    const data = Float32Array.of(0, 1, 2, 3, 4, 5, 6, 100, -3, -2, -1, 0.9, 1.1, 3.1, 2.9, 5.9);
    const cache = await new OpenCache(backend, scene, [data]).grow([1]);
    const [contents] = await cache.contents();
    // Steps of 3 from -3, at the zero point 1.
    assertEquals(contents![1]!.words[0], 0x3c00_4200);
    const codes = [1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 1, 1, 1, 2, 2, 3];
    assertEquals(contents![0]!.words[0], codes.reduce((sum, c, i) => sum + c * 4 ** i, 0));
    const [restored] = await cache.restore();
    assertEquals([...restored!], codes.map((code) => 3 * (code - 1)));
  },
);

Deno.test("nova: codewords are the centres of what they stand for", () => {
  // 256 places, each with points close around it.
  const places = Array.from({ length: 256 }, (_, i) => [i & 3, i >> 2 & 3, i >> 4 & 3, i >> 6]);
  const points = Float64Array.from(
    places.flatMap((place) =>
      Array.from({ length: 8 }, (_, k) => place.map((x, d) => x + 0.01 * Math.sin(k + d))).flat()
    ),
  );
  const words = codewordsOf(learnCodebook(points, 1));
  let lost = 0;
  for (let i = 0; i < points.length; i += 4) {
    let least = Infinity;
    for (let w = 0; w < words.length; w += 4) {
      let distance = 0;
      for (let d = 0; d < 4; d++) distance += (points[i + d]! - words[w + d]!) ** 2;
      least = Math.min(least, distance);
    }
    lost += least;
  }
  // All at random would lose 1.25 a number; a few places without a codeword of their own are left.
  assert(lost / points.length < 0.05, `${lost / points.length}`);
  const few = codewordsOf(learnCodebook(Float64Array.of(1, 2, 3, 4), 1));
  assertEquals([...few.subarray(0, 4)], [1, 2, 3, 4]);
  // e5m2 has three significant bits, ties to even.
  const [word] = learnCodebook(Float64Array.of(1.1, 1.125, 1.375, -9), 1);
  assertAlmostEquals(codewordsOf(Int32Array.of(word!))[0]!, 1);
  assertEquals([...codewordsOf(Int32Array.of(word!))], [1, 1, 1.5, -8]);
});

Deno.test("nova: width, axis, mode and channels are checked", () => {
  const given = (changes: Partial<HookAnswers>) =>
    answers("key", { bits: [2, 2], calibrationMode: "offline", ...changes });
  const shape = { heads: 2, headDim: 64 };
  const refused: [Partial<HookAnswers>, typeof shape, string][] = [
    [{ bits: [3, 3] }, shape, "cannot store codes of 3 bits; use one of 2"],
    [{ axis: "channel" }, shape, 'codes whole tokens; choose_axis must be "token"'],
    [{ calibrationMode: "none" }, shape, 'calibration_mode must be "offline"'],
    [{ options: { value_clip: 0 } }, shape, 'option "value_clip" is 0'],
    [{}, { heads: 2, headDim: 96 }, "they have 96 channels; expected a power of two from 16 on"],
  ];
  for (const [changes, sizes, message] of refused) {
    assertThrows(() => settingsFor(nova, given(changes), sizes), QuantizerError, message);
  }
});
