import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import { gpuTest } from "../backends.ts";

const count = (from: number, words: number) =>
  Uint32Array.from({ length: words }, (_, i) => from + i);

gpuTest("buffers hold what they were made with, or zeros", async (device) => {
  const bench = Workbench.of(device);
  const [words, floats, zeros, empty] = [
    bench.buffer("words", count(5, 40)),
    bench.buffer("floats", Float32Array.of(0.5)),
    bench.buffer("zeros", 3),
    bench.buffer("empty", 0),
  ];
  assert([words, floats, zeros, empty].every(({ size }) => size >= 64));
  const found = await bench.read([
    { buffer: words, at: 10, words: 2 },
    { buffer: empty, at: 0, words: 0 },
    { buffer: zeros, at: 0, words: 3 },
    { buffer: floats, at: 0, words: 1 },
  ]);
  assertEquals([...found], [15, 16, 0, 0, 0, 0x3f000000]);
  assertEquals((await bench.read([])).length, 0);
  bench.free(words, floats, zeros, empty);
});

gpuTest("a batch runs in order, and frees when it has run", async (device) => {
  const bench = Workbench.of(device);
  const [a, b] = [bench.buffer("a", count(1, 20)), bench.buffer("b", 20)];
  bench.batch(() => {
    bench.copy(a, 0, b, 10, 10);
    const detour = bench.buffer("detour", 10);
    bench.batch(() => bench.copy(b, 10, detour, 0, 10));
    bench.copy(detour, 5, a, 0, 5);
    // Still read by what was recorded.
    bench.free(detour);
  });
  const found = await bench.read([{ buffer: a, at: 0, words: 6 }]);
  assertEquals([...found], [6, 7, 8, 9, 10, 6]);
  bench.free(a, b);
});

gpuTest("a buffer grows with what it holds, once", async (device) => {
  const bench = Workbench.of(device);
  const before = bench.live;
  const small = bench.buffer("stream", count(1, 100));
  assertStrictEquals(bench.grown(small, 100, 100), small);
  const large = bench.grown(small, 50, 1000);
  assertNotStrictEquals(large, small);
  assert(large.size >= 4 * 1000 * 1.0625 && large.size <= 4 * 1000 * 1.0625 * 1.25);
  assertStrictEquals(bench.grown(large, 50, 1060), large);
  const found = await bench.read([{ buffer: large, at: 49, words: 2 }]);
  assertEquals([...found], [50, 0]);
  assertEquals(bench.live, before + 1);
  bench.free(large);
});

gpuTest("shared buffers are made once for a key, and freed when the bench is closed", (device) => {
  const bench = Workbench.of(device);
  const before = bench.live;
  const key = {};
  let made = 0;
  const make = () => ({ table: bench.buffer("table", ++made) });
  const first = bench.shared(key, make);
  assertStrictEquals(bench.shared(key, make), first);
  assertNotStrictEquals(bench.shared({}, make), first);
  assertEquals([made, bench.live], [2, before + 2]);
  bench.close();
  assertEquals(bench.live, 0);
  assertNotStrictEquals(bench.shared(key, make), first);
  assertStrictEquals(bench.nothing, bench.nothing);
  assertEquals(bench.live, 2);
});

gpuTest(
  "a freed buffer is used again, cleared, by one that asks for about as much",
  async (device) => {
    const bench = Workbench.of(device);
    bench.close();
    const [target, sink] = [bench.buffer("target", 300), bench.buffer("sink", 1000)];
    const [first, second] = [bench.buffer("first", 100), bench.buffer("second", 98)];
    bench.write(first, 0, count(1, 100));
    bench.batch(() => {
      bench.copy(first, 0, target, 0, 100);
      bench.free(first);
      // What was recorded still reads it.
      const other = bench.buffer("other", count(501, 100));
      assertNotStrictEquals(other, first);
      bench.copy(other, 0, target, 100, 100);
      bench.free(other, second);
    });
    const [again, larger] = [bench.buffer("again", 100), bench.buffer("larger", 200)];
    assertStrictEquals(again, first);
    assertNotStrictEquals(larger, second);
    const found = await bench.read([
      { buffer: target, at: 98, words: 4 },
      { buffer: again, at: 0, words: 100 },
    ]);
    assertEquals([...found.subarray(0, 4)], [99, 100, 501, 502]);
    assertEquals(new Set(found.subarray(4)), new Set([0]));
    // Freed twice, it is given away once.
    bench.free(again, larger);
    bench.free(again);
    bench.copy(target, 0, sink, 0, 1);
    const taken = [1, 2, 3].map(() => bench.buffer("taken", 100));
    assertEquals(new Set(taken).size, 3);
    bench.free(target, sink, ...taken);
  },
);

gpuTest("a buffer that is freed twice counts once", (device) => {
  const bench = Workbench.of(device);
  const buffer = bench.buffer("buffer", 1);
  const { live } = bench;
  bench.free(buffer);
  bench.free(buffer);
  assertEquals(bench.live, live - 1);
});

gpuTest("what is asked for in one turn comes back by one round trip", async (device) => {
  const bench = Workbench.of(device);
  const words = bench.buffer("words", count(5, 40));
  bench.close();
  const created: string[] = [];
  const { createBuffer } = device;
  device.createBuffer = (descriptor) => {
    created.push(descriptor.label!);
    return createBuffer.call(device, descriptor);
  };
  try {
    const asked = [[0, 2], [10, 1], [0, 0], [38, 2]] as const;
    const found = await Promise.all(
      asked.map(([at, words_]) => bench.read([{ buffer: words, at, words: words_ }])),
    );
    assertEquals(found.map((some) => [...some]), [[5, 6], [15], [], [43, 44]]);
    assertEquals(created, ["read back"]);
    // And the next takes the same buffer.
    assertEquals([...await bench.read([{ buffer: words, at: 1, words: 1 }])], [6]);
    assertEquals(created.length, 1);
  } finally {
    device.createBuffer = createBuffer;
    bench.free(words);
  }
});

gpuTest(
  "what is read inside a batch is what was there, and comes back by the same submission",
  async (device) => {
    const bench = Workbench.of(device);
    const buffers = [[1, 2], [3, 4], [5, 6]].map((words) =>
      bench.buffer("words", Uint32Array.from(words))
    );
    const [first, second, target] = buffers as [GPUBuffer, GPUBuffer, GPUBuffer];
    const { submit } = device.queue;
    let submissions = 0;
    device.queue.submit = (commands) => {
      submissions++;
      submit.call(device.queue, commands);
    };
    try {
      const reads = bench.batch(() => {
        bench.copy(first, 0, target, 0, 2);
        const before = bench.read([{ buffer: target, at: 0, words: 2 }]);
        bench.copy(second, 0, target, 0, 2);
        return [before, bench.read([{ buffer: target, at: 1, words: 1 }])];
      });
      assertEquals((await Promise.all(reads)).map((words) => [...words]), [[1, 2], [4]]);
      assertEquals(submissions, 1);
    } finally {
      device.queue.submit = submit;
      bench.free(...buffers);
    }
  },
);
