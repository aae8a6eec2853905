import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { SettledStream } from "../../../quant/gpu/settled_stream.ts";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import { gpuTest } from "../backends.ts";

/** Sizes of items in bits, part after part, and after how many parts the ends are read. */
const histories = fc.array(
  fc.record({
    bits: fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 4 }),
    settled: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
);

gpuTest("parts end up behind each other, without their room", async (device) => {
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      const bench = Workbench.of(device);
      const stream = new SettledStream(bench, "stream", (bits) => Math.ceil(bits / 32));
      const ends = bench.buffer("ends", 100);
      const wanted: number[] = [];
      const allEnds: number[] = [];
      let items = 0;
      let word = 0;
      for (const { bits, settled } of history) {
        const first = items;
        const start = word;
        const words: number[] = [];
        for (const size of bits) {
          allEnds[items++] = 32 * word + size;
          for (let i = 0; i < Math.ceil(size / 32); i++) words.push(++word);
        }
        assertEquals(word - start, words.length);
        wanted.push(...words);
        const room = Uint32Array.from([...words, 7777, 7777]);
        stream.add({ first, items: bits.length, words: bench.buffer("part", room) });
        if (!settled) continue;
        const known = stream.ends.length;
        assertEquals(stream.awaited(ends), { buffer: ends, at: known, words: items - known });
        stream.settle(Uint32Array.from(allEnds.slice(known)));
        assertEquals(stream.parts.map((part) => part.items), [items]);
      }
      stream.settle(Uint32Array.from(allEnds.slice(stream.ends.length)));
      assertEquals(stream.ends, allEnds);
      const found = await bench.read([{ buffer: stream.words, at: 0, words: wanted.length }]);
      assertEquals([...found], wanted);
      stream.free();
      bench.free(ends);
    }),
    { numRuns: 20 },
  );
});

gpuTest("a stream that is freed before its ends are known leaves nothing", (device) => {
  const bench = Workbench.of(device);
  const before = bench.live;
  const stream = new SettledStream(bench, "stream", (words) => words);
  stream.add({ first: 0, items: 2, words: bench.buffer("part", 10) });
  assertEquals(stream.parts.length, 1);
  stream.free();
  assertEquals(bench.live, before);
});
