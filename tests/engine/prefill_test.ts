/** Known tokens go through the model in chunks, each of which sees all before it and nothing else. */
import { assert, assertEquals } from "@std/assert";
import { type Engine, type ForwardInput, MASKED } from "../../engine/engine.ts";
import { allocLayers, feed, PREFILL_CHUNK } from "../../engine/prefill.ts";
import { plainRotary } from "../../engine/rotary.ts";
import { CpuBackend } from "../../quant/backend_cpu.ts";
import type { CpuTensor } from "../../quant/tensor.ts";

/** A model whose keys are the ids it is fed and whose values are their positions. */
function echo(see: (input: ForwardInput<CpuTensor>) => void): Engine<CpuTensor> {
  const column = (numbers: readonly number[]) => ({
    heads: 1,
    capacity: numbers.length,
    headDim: 2,
    data: Float32Array.from(numbers.flatMap((n) => [n, -n])),
  });
  return {
    device: "cpu",
    shape: {
      layers: 1,
      hidden: 2,
      queryHeads: 1,
      kvHeads: 1,
      headDim: 2,
      vocab: 1,
      maxPositions: 1e6,
      rotary: plainRotary(2, 1e4),
    },
    fingerprint: "echo",
    backend: new CpuBackend(),
    forward(input) {
      see(input);
      const layer = { key: column(input.ids), value: column(input.positions) };
      return Promise.resolve({ logits: new Float32Array(1), layers: [layer] });
    },
    close: () => Promise.resolve(),
  };
}

Deno.test("every chunk sees the tokens before it, once and in order, also where the past has room to grow", async () => {
  const ids = Array.from({ length: 40 * PREFILL_CHUNK + 17 }, (_, i) => i % 97);
  const capacities: number[] = [];
  let fed = 0;
  const engine = echo(({ ids: chunk, positions, past: [layer], mask }) => {
    const { key, value } = layer!;
    const columns = key.capacity + chunk.length;
    assertEquals(positions, chunk.map((_, i) => fed + i));
    for (const row of [0, chunk.length - 1]) {
      const seen = mask.subarray(row * columns, (row + 1) * columns);
      assert(seen.every((m) => m === 0 || m === MASKED));
      const before = [...seen.subarray(0, key.capacity)].flatMap((m, i) => m === 0 ? [i] : []);
      assertEquals(before.length, fed);
      assert(before.every((at, i) => key.data[2 * at] === ids[i] && value.data[2 * at] === i));
      const own = seen.subarray(key.capacity);
      assertEquals(own.indexOf(MASKED), row + 1 < chunk.length ? row + 1 : -1);
    }
    if (capacities.at(-1) !== key.capacity) capacities.push(key.capacity);
    fed += chunk.length;
  });
  const layers = allocLayers(engine, ids.length);
  await feed(engine, ids, layers);
  assertEquals(fed, ids.length);
  assertEquals([...layers[0]!.key.data].filter((_, i) => i % 2 === 0), ids);
  // One past for each of the first 17 chunks, then one for every eighth part more.
  assertEquals(capacities.slice(0, 3), [1, PREFILL_CHUNK, 2 * PREFILL_CHUNK]);
  assert(capacities.length < 27, `the past was made anew ${capacities.length} times`);
});

Deno.test("an engine may say how much of a prompt goes through at once", async () => {
  const sizes: number[] = [];
  const engine = {
    ...echo(({ ids }) => sizes.push(ids.length)),
    prefillChunk: (tokens: number) => tokens / 2,
  };
  const ids = new Array(100).fill(1);
  await feed(engine, ids, allocLayers(engine, ids.length));
  assertEquals(sizes, [50, 50]);
});
