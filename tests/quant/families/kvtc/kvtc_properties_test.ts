/** Properties of `kvtc`, each on every backend. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { inflateRawSync } from "node:zlib";
import type { Calibration, KeptSamples } from "../../../../quant/calibration.ts";
import type { Family, HookAnswers, KvKind, StoredBuffer } from "../../../../quant/family.ts";
import { kvtc } from "../../../../quant/families/kvtc/kvtc.ts";
import { allocateBlocks, blockErrors } from "../../../../quant/families/kvtc/allocate_blocks.ts";
import {
  blockBytes,
  type ComponentBlock,
  readBlock,
  rowBytes,
  storedComponents,
  writeBlock,
} from "../../../../quant/families/kvtc/component_blocks.ts";
import type { KvtcSettings } from "../../../../quant/families/kvtc/kvtc_settings.ts";
import { learn } from "../../../../quant/learned.ts";
import { toHalfBits } from "../../../../quant/packing/half.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { rotaryTables } from "../../../../engine/rotary.ts";
import { rotateHead } from "../../../../quant/stores/rope/rope_restore.ts";
import { keepSamples } from "../../../../quant/sample_keeper.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { testOnBackends } from "../../backends.ts";
import { testCacheProperties, testMoreBits } from "../../cache_properties.ts";
import {
  type CacheScene,
  layerData,
  OpenCache,
  rootMeanSquare,
  rotaryOf,
} from "../../cache_scenes.ts";
import { KV_LOOKS, kvData, type KvLook } from "../../kv_data.ts";
import { lookSamples } from "../../look_samples.ts";
import { answers } from "../../stores/affine/affine_answers.ts";

type Scene = CacheScene<KvtcSettings>;

interface Draw {
  readonly kind: KvKind;
  readonly layers: number;
  readonly groupLayers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly tokens: number;
  readonly look: KvLook;
  readonly seed: number;
  readonly bits: number;
  readonly residual: number;
  readonly sink: number;
}

function given(kind: KvKind, heads: number, changes: Partial<HookAnswers> = {}): HookAnswers {
  return answers(kind, {
    bits: new Array(heads).fill(2),
    calibrationMode: "offline",
    ...changes,
  });
}

function learned(kept: KeptSamples, settings: KvtcSettings): Calibration {
  return learn(kvtc as unknown as Family, kept, settings);
}

/** Where hand-made scenes are put. */
const PLACE: Draw = {
  kind: "value",
  layers: 1,
  groupLayers: 1,
  heads: 1,
  headDim: 16,
  tokens: 1,
  look: "normal",
  seed: 5,
  bits: 2,
  residual: 0,
  sink: 0,
};

/** A cache of layers, each calibrated on samples that look like its own tensors. */
function sceneOf(draw: Draw): Scene {
  const { kind, layers, groupLayers, heads, headDim, tokens, look, seed, bits } = draw;
  const kept = lookSamples({ layers, heads, headDim, look, seed });
  const settings = Array.from({ length: layers }, (_, layer) => {
    const own = settingsFor(
      kvtc,
      given(kind, heads, {
        layer,
        bits: new Array(heads).fill(bits),
        residualLength: draw.residual,
        sinkTokens: draw.sink,
        options: { layers: groupLayers },
      }),
      { heads, headDim },
    );
    return { ...own, calibration: learned(kept, own) };
  });
  return { family: kvtc, kind, settings, heads, headDim, tokens, capacity: tokens + 3, look, seed };
}

const draws: fc.Arbitrary<Draw> = fc.record({
  kind: fc.constantFrom<KvKind>("key", "value"),
  layers: fc.integer({ min: 1, max: 3 }),
  groupLayers: fc.integer({ min: 1, max: 3 }),
  heads: fc.integer({ min: 1, max: 2 }),
  headDim: fc.constantFrom(8, 16, 24),
  tokens: fc.integer({ min: 1, max: 40 }),
  look: fc.constantFrom(...KV_LOOKS),
  seed: fc.nat({ max: 1e6 }),
  bits: fc.integer({ min: 1, max: 8 }),
  residual: fc.constantFrom(0, 0, 7),
  sink: fc.constantFrom(0, 0, 1, 5),
});

testCacheProperties("kvtc", draws.map(sceneOf));

testMoreBits(
  "kvtc",
  draws.map((draw) => {
    const plain: Draw = {
      ...draw,
      kind: "value",
      look: "normal",
      // Fewer channels than tokens were learned from.
      groupLayers: 1,
      heads: 1,
      headDim: 24,
      tokens: 40,
      residual: 0,
      sink: 0,
    };
    return {
      scene: sceneOf({ ...plain, bits: 1 }),
      withBits: (bits: number) => sceneOf({ ...plain, bits }),
    };
  }),
  [1, 2, 4, 8],
);

/** Two layers of which the second is twice the first, and what they are restored to at best. */
function alikeScene(kind: KvKind, groupLayers: number) {
  const scene = sceneOf({ ...PLACE, kind, layers: 2, groupLayers, headDim: 16, tokens: 200 });
  const first = layerData(scene)[0]!;
  const data = [first, first.map((x) => 2 * x)];
  const tensors = data.map((data) => ({ heads: 1, capacity: scene.capacity, headDim: 16, data }));
  const kept = keepSamples({
    rotary: rotaryOf(16),
    layers: tensors.map((t) => ({ keys: [t], preRopeKeys: [t], values: [t], queries: [] })),
  });
  const settings = scene.settings.map((own) => ({ ...own, calibration: learned(kept, own) }));
  const real = kind === "value" ? data : data.map((entries) => turned(entries, scene.capacity, 16));
  return { scene: { ...scene, settings }, data, real };
}

/** Keys of one head at their positions. */
function turned(keys: Float32Array<ArrayBuffer>, tokens: number, headDim: number): Float32Array {
  const tables = rotaryTables(tokens, rotaryOf(headDim));
  const half = { heads: 1, capacity: tokens, headDim: headDim / 2 };
  const rope = { cos: { ...half, data: tables.cos }, sin: { ...half, data: tables.sin } };
  const out = new Float32Array(keys.length);
  for (let t = 0; t < tokens; t++) {
    rotateHead(keys, t * headDim, rope, t, headDim, out, t * headDim);
  }
  return out;
}

testOnBackends("kvtc: what layers share is stored once", async (backend) => {
  for (const kind of ["key", "value"] as const) {
    const lost: number[] = [];
    for (const groupLayers of [1, 2]) {
      const { scene, data, real } = alikeScene(kind, groupLayers);
      const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
      lost.push(rootMeanSquare(scene, await cache.restore(), real));
    }
    assert(lost[0]! > 0.1 && lost[1]! < 0.5 * lost[0]!, lost.join());
  }
});

testOnBackends(
  "kvtc: a stream takes no more than it was planned to, at any length",
  async (backend) => {
    const scene = sceneOf({
      ...PLACE,
      kind: "value",
      groupLayers: 2,
      layers: 2,
      tokens: 12,
      bits: 2,
    });
    const cache = await new OpenCache(backend, scene).grow([1, 2, 5, 12]);
    for (const tokens of [1, 2, 5, 12]) {
      const [{ bits, codes }] = cache.stores[0]!.buffers(tokens) as [StoredBuffer];
      assert(bits![0]! > 0 && bits![0]! <= 2, `${bits} of ${tokens} tokens`);
      assertEquals(codes, [tokens * 32]);
      assertEquals(cache.stores[1]!.buffers(tokens), []);
    }
  },
);

testOnBackends("kvtc: a stream is DEFLATE of the rows' bytes, place by place", async (backend) => {
  const tokens = 3;
  const scene = sceneOf({
    ...PLACE,
    kind: "value",
    layers: 2,
    groupLayers: 2,
    headDim: 16,
    tokens,
  });
  // Components are the channels themselves: one as e4m3, the next sixteen in two bits.
  const blocks = Int32Array.of(1, 8, 16, 2);
  const axes = Float16Array.from({ length: 17 * 32 }, (_, i) => i % 33 === 0 ? 1 : 0);
  const calibration = { mean: new Float32Array(32).fill(1), axes, blocks };
  const settings = scene.settings.map((own) => ({ ...own, calibration }));
  const layer = (entry: (token: number, channel: number) => number) =>
    Float32Array.from(
      { length: scene.capacity * 16 },
      (_, i) => entry(Math.floor(i / 16), i % 16),
    );
  // The block of sixteen holds 0, 1, 2, 3, 0, 1 and so on, times the token's number, above 1.
  const data = [
    layer((t, c) => c === 0 ? 1 + 1.5 * (t + 1) : 1 + (t + 1) * ((c - 1) % 4)),
    layer((t, c) => c === 0 ? 1 + (t + 1) * 3 : 77),
  ];
  const cache = await new OpenCache(backend, { ...scene, settings }, data).grow([2, tokens]);
  const [contents, none] = await cache.contents();
  assertEquals(none, []);
  const stream = new Uint8Array(contents![0]!.words.buffer);
  // e4m3 of 1.5, 3 and 4.5; half of 1, 2 and 3, and of 0; the codes, four in a byte.
  const rows = [0x3c, 0x44, 0x49].map((first, t) => [
    first,
    ...halfBytes(t + 1),
    0,
    0,
    0xe4,
    0xe4,
    0xe4,
    0xe4,
  ]);
  const planes = rows[0]!.flatMap((_, i) => rows.map((row) => row[i]!));
  assertEquals([...inflateRawSync(stream)], planes);
  const [first, second] = await cache.restore();
  assertEquals([...first!.subarray(16, 32)], [...data[0]!.subarray(16, 32)]);
  // What no block holds is its mean.
  assertEquals([...second!.subarray(16, 32)], [7, ...new Array(15).fill(1)]);
});

function halfBytes(x: number): [number, number] {
  const bits = toHalfBits(x);
  return [bits & 255, bits >>> 8];
}

Deno.test("kvtc: blocks are what they are said to be", () => {
  const bytes = new Uint8Array(16);
  writeBlock({ size: 4, bits: 2 }, Float32Array.of(9, -3, 0, 1.4, 3), 1, bytes, 2);
  // Steps of 2 from -3: 0, 1.5 to even, 2.2, 3.
  assertEquals([...bytes.subarray(2, 7)], [...halfBytes(2), ...halfBytes(-3), 0b11_10_10_00]);
  const back = new Float32Array(5);
  readBlock({ size: 4, bits: 2 }, bytes, 2, back, 1);
  assertEquals([...back], [0, -3, 1, 1, 3]);
  assertEquals([1, 16, 64].map((size) => blockBytes({ size, bits: 2 })), [5, 8, 20]);
  assertEquals([1, 16].map((size) => blockBytes({ size, bits: 8 })), [1, 16]);
});

Deno.test("kvtc: of all ways to put components into blocks the best is chosen", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 19 }),
      fc.integer({ min: 0, max: 40 }),
      fc.nat({ max: 1e6 }),
      (components, most, seed) => {
        const samples = kvData(6, components, "normal", seed)
          .map((x, i) => x * 0.8 ** (i % components));
        const errors = blockErrors(samples, components);
        const lost = (blocks: readonly ComponentBlock[]) => {
          const bytes = new Uint8Array(rowBytes(blocks));
          let sum = 0;
          for (let t = 0; t < 6; t++) {
            bytes.fill(0);
            const back = new Float32Array(components);
            let [k, at] = [0, 0];
            for (const block of blocks) {
              writeBlock(block, samples, t * components + k, bytes, at);
              readBlock(block, bytes, at, back, k);
              k += block.size;
              at += blockBytes(block);
            }
            for (let i = 0; i < components; i++) {
              sum += (samples[t * components + i]! - back[i]!) ** 2;
            }
          }
          return sum;
        };
        const chosen = allocateBlocks(errors, most);
        assert(rowBytes(chosen) <= most && storedComponents(chosen) <= components);
        chosen.forEach(({ bits }, i) => assert(i === 0 || bits <= chosen[i - 1]!.bits));
        const least = lost(chosen);
        // Every other way there is.
        const tryAll = (blocks: readonly ComponentBlock[], widest: number) => {
          assert(lost(blocks) >= least - 1e-4);
          for (const bits of [8, 4, 2].filter((b) => b <= widest)) {
            for (const size of [1, 16]) {
              const more = [...blocks, { size, bits }];
              if (rowBytes(more) > most || storedComponents(more) > components) continue;
              // One of one component in few bits takes more than as e4m3.
              if (size === 1 && bits < 8) continue;
              tryAll(more, bits);
            }
          }
        };
        tryAll([], 8);
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("kvtc: compression, widths, axis and mode are checked", () => {
  const shape = { heads: 2, headDim: 64 };
  const refused: [Partial<HookAnswers>, string][] = [
    [{ axis: "channel" }, 'codes whole tokens; choose_axis must be "token"'],
    [{ calibrationMode: "none" }, 'calibration_mode must be "offline"'],
    [{ bits: [4, 3] }, "has one width for all heads of a layer"],
    [
      { options: { compression: 4 } },
      'option "compression" is 4, which takes more than the 2 bits',
    ],
    [{ options: { layers: 0 } }, "it must be an integer from 1 to 1024"],
  ];
  for (const [changes, message] of refused) {
    assertThrows(
      () => settingsFor(kvtc, given("key", 2, changes), shape),
      QuantizerError,
      message,
    );
  }
  assertEquals(settingsFor(kvtc, given("key", 2), shape).groupLayers, 4);
});
