/** What is kept of samples, and how much. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { CalibrationSamples, LayerSamples } from "../../quant/calibration.ts";
import {
  keepSamples,
  type KeptShape,
  keptTokens,
  MOST_BYTES,
  MOST_TOKENS,
  SampleKeeper,
} from "../../quant/sample_keeper.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import { rotaryOf } from "./cache_scenes.ts";
import { kvData } from "./kv_data.ts";

const shape: KeptShape = { layers: 2, kvHeads: 2, queryHeads: 4, headDim: 8 };
const rotary = rotaryOf(shape.headDim);
const NAMES = ["keys", "preRopeKeys", "values", "queries"] as const;

function tensor(heads: number, tokens: number, seed: number): CpuTensor {
  const { headDim } = shape;
  return {
    heads,
    capacity: tokens,
    headDim,
    data: kvData(heads * tokens, headDim, "normal", seed),
  };
}

function samplesOf(lengths: readonly number[], seed: number): CalibrationSamples {
  const list = (heads: number, layer: number, name: number) =>
    lengths.map((tokens, i) => tensor(heads, tokens, seed + 1000 * layer + 100 * name + i));
  const layers = Array.from({ length: shape.layers }, (_, l): LayerSamples => ({
    keys: list(shape.kvHeads, l, 1),
    preRopeKeys: list(shape.kvHeads, l, 2),
    values: list(shape.kvHeads, l, 3),
    queries: list(shape.queryHeads, l, 4),
  }));
  return { layers, rotary };
}

/** Some tokens of a tensor. */
function part({ heads, capacity, headDim, data }: CpuTensor, from: number, to: number): CpuTensor {
  const size = (to - from) * headDim;
  const own = new Float32Array(heads * size);
  for (let head = 0; head < heads; head++) {
    const at = (head * capacity + from) * headDim;
    own.set(data.subarray(at, at + size), head * size);
  }
  return { heads, capacity: to - from, headDim, data: own };
}

/** Gives samples to a keeper in chunks, the last sample first. */
function keepInChunks(
  { layers }: CalibrationSamples,
  lengths: readonly number[],
  chunk: number,
  most = MOST_BYTES,
): SampleKeeper {
  const keeper = new SampleKeeper(shape, rotary, lengths, most);
  for (const sample of lengths.keys().toArray().reverse()) {
    for (let from = 0; from < lengths[sample]!; from += chunk) {
      for (const [l, layer] of layers.entries()) {
        for (const name of NAMES) {
          const to = Math.min(from + chunk, lengths[sample]!);
          keeper.add(sample, l, name, part(layer[name][sample]!, from, to), from);
        }
      }
    }
  }
  return keeper;
}

const lengthLists = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 });

Deno.test("of samples that fit everything is kept, in chunks of any size and in any order", () => {
  fc.assert(
    fc.property(
      lengthLists,
      fc.integer({ min: 1, max: 70 }),
      fc.nat(999),
      (lengths, chunk, seed) => {
        const samples = samplesOf(lengths, seed);
        const whole = keepSamples(samples);
        for (const [l, layer] of samples.layers.entries()) {
          for (const name of ["keys", "preRopeKeys", "values"] as const) {
            assertEquals(whole.layers[l]![name], layer[name]);
          }
        }
        assertEquals([whole.samples, whole.longest], [lengths.length, Math.max(...lengths)]);
        const chunks = keepInChunks(samples, lengths, chunk).kept();
        for (const [l, layer] of whole.layers.entries()) {
          const { queries, ...rest } = chunks.layers[l]!;
          const { queries: _, ...others } = layer;
          assertEquals(rest, others);
          for (const [h, { queries: count, moment, preRopeMoment }] of queries.entries()) {
            const other = layer.queries[h]!;
            assertEquals(count, other.queries);
            // Sums in another order.
            moment.forEach((x, i) => assertAlmostEquals(x, other.moment[i]!, 1e-9));
            preRopeMoment.forEach((x, i) => assertAlmostEquals(x, other.preRopeMoment[i]!, 1e-9));
          }
        }
      },
    ),
    { numRuns: 25, seed: 8 },
  );
});

Deno.test("of samples that do not fit as much is kept of each, evenly spread, and ranges of all", () => {
  const lengths = [500, 30, 1200];
  const samples = samplesOf(lengths, 3);
  const perToken = 3 * 4 * shape.layers * shape.kvHeads * shape.headDim;
  const keeper = keepInChunks(samples, lengths, 256, 200_000);
  assert(keeper.bytes <= 200_000 && keeper.bytes > 200_000 - 2 * perToken, `${keeper.bytes} bytes`);
  const { layers, positions, tokens } = keeper.kept();
  assertEquals(tokens, 1730);
  // All of the short one, and as many of each of the others.
  const [long, short, longest] = positions.map((own) => own.length);
  assertEquals(short, 30);
  assert(Math.abs(long! - longest!) <= 1 && long! > 100 && long! < 500, `${long} of 500`);
  for (const [sample, own] of positions.entries()) {
    const gaps = new Set(Array.from(own.subarray(1), (position, i) => position - own[i]!));
    assert(Math.max(...gaps) - Math.min(...gaps) <= 1, `gaps ${[...gaps]}`);
    for (const [i, position] of own.entries()) {
      const { values } = layers[1]!;
      assertEquals(
        part(values[sample]!, i, i + 1),
        part(samples.layers[1]!.values[sample]!, position, position + 1),
      );
    }
  }
  const { low, high } = layers[0]!.ranges.keys;
  const all = samples.layers[0]!.keys.map(({ data }) => data);
  assertEquals(Math.min(...low), Math.min(...all.map((data) => Math.min(...data))));
  assertEquals(Math.max(...high), Math.max(...all.map((data) => Math.max(...data))));
});

Deno.test("what is held grows with neither the samples nor the depth of the model", () => {
  const most = 300_000;
  const held = (layers: number, count: number) => {
    const lengths = new Array<number>(count).fill(40);
    const keeper = new SampleKeeper({ ...shape, layers }, rotary, lengths, most);
    for (let sample = 0; sample < count; sample++) {
      for (let layer = 0; layer < layers; layer++) {
        for (const name of NAMES) {
          keeper.add(sample, layer, name, tensor(name === "queries" ? 4 : 2, 40, sample));
        }
      }
      assert(keeper.bytes <= most, `${keeper.bytes} bytes`);
    }
    return keeper.bytes;
  };
  for (const layers of [2, 8, 16]) {
    const [few, many] = [held(layers, 40), held(layers, 400)];
    assert(Math.abs(few - many) < 2 * 3 * 4 * layers * shape.kvHeads * shape.headDim);
  }
});

Deno.test("a model of eight billion parameters has room for more than a thousand tokens", () => {
  // Llama-3.1-8B, and one of 70 billion.
  const eight = { layers: 32, kvHeads: 8, queryHeads: 32, headDim: 128 };
  const seventy = { layers: 80, kvHeads: 8, queryHeads: 64, headDim: 128 };
  assertEquals(keptTokens(eight, 13_000), 2558);
  assertEquals(keptTokens(seventy, 13_000), 919);
  // Of the shape of Qwen2.5-0.5B as many are kept as are of any.
  assertEquals(
    keptTokens({ layers: 24, kvHeads: 2, queryHeads: 14, headDim: 64 }, 13_000),
    MOST_TOKENS,
  );
});

Deno.test("a tensor that is not finite is refused by layer and name", () => {
  const keeper = new SampleKeeper(shape, rotary, [4]);
  const wrong = tensor(2, 4, 1);
  wrong.data[9] = NaN;
  assertThrows(
    () => keeper.add(0, 1, "preRopeKeys", wrong),
    Error,
    "Layer 1 keys before RoPE of the calibration set are not finite",
  );
});
