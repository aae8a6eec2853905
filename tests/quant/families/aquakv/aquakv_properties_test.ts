/** Properties of `aquakv`, each on every backend. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { KeptSamples } from "../../../../quant/calibration.ts";
import { aquakv } from "../../../../quant/families/aquakv/aquakv.ts";
import type { AquakvSettings } from "../../../../quant/families/aquakv/aquakv_settings.ts";
import type { Family, HookAnswers, KvKind } from "../../../../quant/family.ts";
import { learn } from "../../../../quant/learned.ts";
import { gaussianPairs, PAIR_BITS } from "../../../../quant/numerics/gaussian_pairs.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { testOnBackends } from "../../backends.ts";
import { testCacheProperties, testMoreBits } from "../../cache_properties.ts";
import { type CacheScene, layerData, OpenCache, rootMeanSquare } from "../../cache_scenes.ts";
import { KV_LOOKS, type KvLook } from "../../kv_data.ts";
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
  readonly bits: number;
  readonly firstBits: number;
  readonly residual: number;
  readonly sink: number;
}

const draws: fc.Arbitrary<Draw> = fc.record({
  kind: fc.constantFrom<KvKind>("key", "value"),
  layers: fc.integer({ min: 1, max: 3 }),
  heads: fc.integer({ min: 1, max: 2 }),
  headDim: fc.constantFrom(8, 16, 24),
  tokens: fc.integer({ min: 1, max: 40 }),
  look: fc.constantFrom(...KV_LOOKS),
  seed: fc.nat({ max: 1e6 }),
  bits: fc.constantFrom(...PAIR_BITS),
  firstBits: fc.constantFrom(...PAIR_BITS, 16),
  residual: fc.constantFrom(0, 0, 7),
  sink: fc.constantFrom(0, 0, 1, 5),
});

function settingsOf(draw: Draw, kind: KvKind, kept: KeptSamples): AquakvSettings[] {
  const { layers, heads, headDim, bits, firstBits, residual, sink } = draw;
  return Array.from({ length: layers }, (_, layer) => {
    const own = settingsFor(
      aquakv,
      answers(kind, {
        layer,
        bits: new Array(heads).fill(bits),
        residualLength: residual,
        sinkTokens: sink,
        calibrationMode: "offline",
        options: { first_layer_bits: firstBits },
      }),
      { heads, headDim },
    );
    return { ...own, calibration: learn(aquakv as unknown as Family, kept, own) };
  });
}

/** A cache of layers, calibrated on samples that look like its own tensors. */
function sceneOf(draw: Draw, kept = lookSamples(draw)): CacheScene<AquakvSettings> {
  const { kind, heads, headDim, tokens, look, seed } = draw;
  return {
    family: aquakv,
    settings: settingsOf(draw, kind, kept),
    ...(kind === "value" ? { keySettings: settingsOf(draw, "key", kept) } : {}),
    ...{ kind, heads, headDim, tokens, capacity: tokens + 3, look, seed },
  };
}

testCacheProperties("aquakv", draws.map((draw) => sceneOf(draw)));

const PLAIN = { look: "normal", headDim: 24, tokens: 40, residual: 0, sink: 0 } as const;

testMoreBits(
  "aquakv",
  draws.map((draw) => {
    const withBits = (bits: number) =>
      sceneOf({ ...draw, ...PLAIN, kind: "value", bits, firstBits: bits });
    return { scene: withBits(2), withBits };
  }),
  PAIR_BITS,
);

/** Layers of values; each is what the layer before is, times two, plus a little of its own. */
function alike(scene: CacheScene<AquakvSettings>): Float32Array<ArrayBuffer>[] {
  const own = layerData(scene);
  for (let l = 1; l < own.length; l++) {
    own[l] = own[l]!.map((x, i) => Math.fround(2 * own[l - 1]![i]! + 0.05 * x));
  }
  return own;
}

testOnBackends("aquakv: what the layer before says is not stored again", async (backend) => {
  const draw: Draw = {
    ...{ kind: "value", layers: 3, heads: 1, seed: 3, bits: 2, firstBits: 4 },
    ...PLAIN,
    tokens: 200,
  };
  const plain = sceneOf(draw);
  const data = alike(plain);
  const tensors = data.map((data) => ({ heads: 1, capacity: 203, headDim: 24, data }));
  const { rotary } = lookSamples(draw);
  const empty = new Float32Array(24);
  const ranges = { low: empty, high: empty };
  const kept: KeptSamples = {
    layers: tensors.map((t, layer) => {
      // Keys that say nothing about values.
      const [keys] = lookSamples({ ...draw, seed: 50 + layer, layers: 1 }).layers[0]!.keys;
      const cut = { ...t, capacity: 60, data: t.data.slice(0, 60 * 24) };
      return {
        keys: [keys!],
        preRopeKeys: [keys!],
        values: [cut],
        ranges: { keys: ranges, preRopeKeys: ranges, values: ranges },
        queries: [],
      };
    }),
    ...{ rotary, samples: 1, tokens: 60, longest: 60 },
    positions: [Int32Array.from({ length: 60 }, (_, i) => i)],
  };
  const scene = sceneOf(draw, kept);
  const cache = await new OpenCache(backend, scene, data).grow([200]);
  const restored = await cache.restore();
  // Alone, 2 bits lose a third of each entry; here they lose it of what is new.
  for (const [layer, from] of [[1, 0.15], [2, 0.15]] as const) {
    const one = { ...scene, settings: [scene.settings[layer]!] };
    const error = rootMeanSquare(one, [restored[layer]!], [data[layer]!]);
    const size = rootMeanSquare(one, [new Float32Array(data[layer]!.length)], [data[layer]!]);
    assert(error / size < from, `layer ${layer}: ${error / size}`);
  }
});

Deno.test("aquakv: points of the codebooks are the means of what they stand for", () => {
  // Squared errors an entry of the codebooks of goodevening13/aquakv, aquakv/grids.
  const official: Readonly<Record<number, number>> = { 2: 0.10756, 3: 0.02957, 4: 0.00774 };
  for (const bits of PAIR_BITS) {
    const points = gaussianPairs(bits);
    const count = points.length / 2;
    assertEquals(count, 4 ** bits);
    const [weights, sums] = [new Float64Array(count), new Float64Array(2 * count)];
    let [lost, all] = [0, 0];
    for (let x = -5; x <= 5; x += 0.05) {
      for (let y = -5; y <= 5; y += 0.05) {
        const weight = Math.exp(-(x * x + y * y) / 2);
        let [least, nearest] = [Infinity, 0];
        for (let i = 0; i < count; i++) {
          const distance = (x - points[2 * i]!) ** 2 + (y - points[2 * i + 1]!) ** 2;
          if (distance < least) [least, nearest] = [distance, i];
        }
        all += weight;
        lost += weight * least / 2;
        weights[nearest]! += weight;
        sums[2 * nearest]! += weight * x;
        sums[2 * nearest + 1]! += weight * y;
      }
    }
    assert(lost / all < 1.01 * official[bits]!, `${bits} bits lose ${lost / all}`);
    for (let i = 0; i < 2 * count; i++) {
      assertAlmostEquals(points[i]!, sums[i]! / weights[i >> 1]!, 0.03);
    }
  }
});

Deno.test("aquakv: widths, axis, mode and rotation are checked", () => {
  const shape = { heads: 3, headDim: 64 };
  const given = (changes: Partial<HookAnswers>) =>
    answers("key", { bits: [2, 2, 2], calibrationMode: "offline", ...changes });
  const refused: [Partial<HookAnswers>, string][] = [
    [{ axis: "channel" }, 'codes whole tokens; choose_axis must be "token"'],
    [{ calibrationMode: "none" }, 'calibration_mode must be "offline"'],
    [{ bits: [4, 3, 3] }, "has one width for all heads of a layer"],
    [{ bits: [1, 1, 1] }, "cannot store codes of 1 bits; use one of 2, 3, 4"],
    [
      { options: { hadamard_size: 128 } },
      'option "hadamard_size" is 128 for 192 channels; expected a power of two from 4 on',
    ],
    [{ options: { hadamard_size: 24 } }, 'option "hadamard_size" is 24 for 192 channels'],
    [{ options: { first_layer_bits: 5 } }, "it must be 2 or 3 or 4 or 16"],
  ];
  for (const [changes, message] of refused) {
    assertThrows(() => settingsFor(aquakv, given(changes), shape), QuantizerError, message);
  }
  assertEquals(settingsFor(aquakv, given({}), shape).hadamardSize, 64);
  assertThrows(
    () => settingsFor(aquakv, given({ bits: [2] }), { heads: 1, headDim: 6 }),
    QuantizerError,
    'option "hadamard_size" is 2 for 6 channels',
  );
});
