import { assertEquals, assertThrows } from "@std/assert";
import { InternalError } from "../../../errors.ts";
import { Kernels } from "../../../quant/gpu/kernels.ts";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import { gpuTest } from "../backends.ts";

/** A kernel that copies every member of a struct and of a table's elements out, word by word. */
const READER = `
  struct Inner { v: vec3f, w: f32 }
  struct Job { first: u32, inner: Inner, list: array<vec4u, 2>, pair: vec2i, last: f32 }
  struct Row { place: vec3u, weight: f32, next: vec2u }
  @group(0) @binding(5) var<storage, read> rows: array<Row>;
  @group(0) @binding(2) var<storage, read_write> words: array<u32>;
  @group(0) @binding(9) var<storage, read> unused: array<u32>;
  @compute @workgroup_size(1)
  fn read_all() {
    words[0] = job.first;
    words[1] = bitcast<u32>(job.inner.v.z);
    words[2] = bitcast<u32>(job.inner.w);
    words[3] = job.list[1].w;
    words[4] = bitcast<u32>(job.pair.y);
    words[5] = bitcast<u32>(job.last);
    words[6] = rows[1].place.z;
    words[7] = bitcast<u32>(rows[1].weight);
    words[8] = rows[1].next.y;
  }
  @compute @workgroup_size(1)
  fn read_unused() {
    words[0] = unused[0] + arrayLength(&unused);
  }`;

const JOB = {
  first: 11,
  inner: { v: [1, 2, 3.5], w: 4.5 },
  list: [[1, 2, 3, 4], [5, 6, 7, 8]],
  pair: [-1, -2],
  last: 0.75,
};

gpuTest("the device finds members and elements where they were written", async (device) => {
  const bench = Workbench.of(device);
  const kernels = Kernels.of(device, "reader", [READER]);
  const words = bench.buffer("words", 9);
  const row = { place: [0, 0, 0], weight: 0, next: [0, 0] };
  const table = [row, { place: [1, 2, 3], weight: 2.5, next: [4, 5] }];
  assertEquals(kernels.elementWords("rows"), 8);
  const rows = bench.buffer("rows", kernels.contents("rows", table));
  kernels.run("read_all", { workgroups: 1 }, { job: JOB, rows, words, unused: undefined });
  const bits = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0]!;
  assertEquals(
    [...await bench.read([{ buffer: words, at: 0, words: 9 }])],
    [11, bits(3.5), bits(4.5), 8, 2 ** 32 - 2, bits(0.75), 3, bits(2.5), 5],
  );
  bench.free(words, rows);
});

gpuTest("a buffer in which there is nothing to read is one of zeros", async (device) => {
  const bench = Workbench.of(device);
  const words = bench.buffer("words", Uint32Array.of(99));
  Kernels.of(device, "reader", [READER]).run("read_unused", { workgroups: 1 }, {
    words,
    unused: undefined,
  });
  // The smallest buffer has 16 words.
  assertEquals([...await bench.read([{ buffer: words, at: 0, words: 1 }])], [16]);
  bench.free(words);
});

gpuTest("names that the text does not have, or that are left out, are refused", (device) => {
  const bench = Workbench.of(device);
  const kernels = Kernels.of(device, "reader", [READER]);
  const words = bench.buffer("words", 9);
  const given = { job: JOB, rows: words, words };
  const run = (changes: Record<string, typeof words | typeof JOB | undefined>) => () =>
    kernels.run("read_all", { workgroups: 1 }, { ...given, ...changes });
  const { last: _, ...partly } = JOB;
  const wrong: [() => void, string][] = [
    [run({ word: words }), 'The kernels of reader have no buffer "word"'],
    [run({ words: undefined }), 'Variable "words" of reader is given no buffer'],
    [run({ rows: JOB }), 'Variable "rows" of reader is given no buffer'],
    [
      () => kernels.run("read_all", { workgroups: 1 }, { job: JOB, words }),
      'Kernel read_all of reader is launched without its buffer "rows"',
    ],
    [
      () => kernels.run("read_all", { workgroups: 1 }, { ...given, job: partly }),
      'Struct Job is written without its member "last"',
    ],
    [
      () => kernels.run("read_all", { workgroups: 1 }, { ...given, job: { ...JOB, middle: 1 } }),
      'Struct Job has no member "middle"',
    ],
    [() => kernels.run("read", { workgroups: 1 }, given), 'There is no entry point "read"'],
    [() => kernels.elementWords("job"), 'Variable "job" is not an array'],
    [() => kernels.contents("table", []), 'have no buffer "table"'],
  ];
  for (const [refused, message] of wrong) assertThrows(refused, InternalError, message);
  bench.free(words);
});

gpuTest("over nothing a kernel is not launched", (device) => {
  const kernels = Kernels.of(device, "reader", [READER]);
  assertEquals(kernels.run("read_all", { threads: 0 }, {}), false);
  assertEquals(kernels.run("read_all", { workgroups: 0 }, {}), false);
});

/** Kernels over the frame's functions. */
const FRAME = `
  struct Job { count: u32 }
  @group(0) @binding(2) var<storage, read_write> marks: array<u32>;
  @group(0) @binding(3) var<storage, read> values: array<f32>;
  @group(0) @binding(4) var<storage, read_write> results: array<f32>;
  @compute @workgroup_size(workgroup_threads)
  fn mark(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let index = flat_index(id, workgroups);
    if (index < job.count) { marks[index] += index + 1u; }
  }
  @compute @workgroup_size(workgroup_threads)
  fn mark_workgroup(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
  ) {
    let index = flat_workgroup(id, workgroups);
    if (lane == 0u && index < job.count) { marks[index] += index + 1u; }
  }
  @compute @workgroup_size(workgroup_threads)
  fn reduce(@builtin(local_invocation_index) lane: u32) {
    let x = values[lane];
    let sum = sum_of(x, lane);
    let largest = largest_of(x, lane);
    let before = sum_before(vec4u(u32(x), 1u, 0u, lane), lane);
    results[lane] = sum + largest + f32(before.y) + f32(before.x) + f32(before.w);
  }
  @compute @workgroup_size(workgroup_threads)
  fn shift(@builtin(local_invocation_index) lane: u32) {
    results[lane] = results[lane] * 2.0 + f32(job.count);
  }`;

gpuTest("launches of more than 65,535 workgroups reach every index once", async (device) => {
  const bench = Workbench.of(device);
  const kernels = Kernels.of(device, "frame", [FRAME]);
  const count = 65535 * 2 + 7;
  const marks = bench.buffer("marks", count);
  const bindings = { job: { count }, marks };
  kernels.run("mark", { threads: count }, bindings);
  kernels.run("mark_workgroup", { workgroups: count }, bindings);
  const found = await bench.read([{ buffer: marks, at: 0, words: count }]);
  assertEquals(found.findIndex((mark, index) => mark !== 2 * (index + 1)), -1);
  bench.free(marks);
});

gpuTest("workgroups add up, find the largest and count what comes before", async (device) => {
  const bench = Workbench.of(device);
  const kernels = Kernels.of(device, "frame", [FRAME]);
  const values = Float32Array.from({ length: 64 }, (_, i) => (i * 37) % 64);
  const [source, results] = [bench.buffer("values", values), bench.buffer("results", 64)];
  kernels.run("reduce", { workgroups: 1 }, { values: source, results });
  const words = await bench.read([{ buffer: results, at: 0, words: 64 }]);
  let before = 0, lanes = 0;
  const wanted = Array.from(values, (x, lane) => {
    const result = 63 * 32 + 63 + lane + before + lanes;
    before += x;
    lanes += lane;
    return result;
  });
  assertEquals([...new Float32Array(words.buffer)], wanted);
  bench.free(source, results);
});

gpuTest("every launch of a batch has the parameters that it was given", async (device) => {
  const bench = Workbench.of(device);
  const kernels = Kernels.of(device, "frame", [FRAME]);
  const results = bench.buffer("results", 64);
  // More than there are slots: the batch is submitted in pieces.
  const counts = Array.from({ length: 600 }, (_, i) => i % 3);
  bench.batch(() => {
    for (const count of counts) {
      kernels.run("shift", { workgroups: 1 }, { job: { count }, results });
    }
  });
  const words = await bench.read([{ buffer: results, at: 0, words: 64 }]);
  const wanted = counts.reduce((x, count) => Math.fround(Math.fround(x * 2) + count), 0);
  assertEquals([...new Float32Array(words.buffer)], new Array(64).fill(wanted));
  bench.free(results);
});

gpuTest("what texts enable stands ahead of them, once", async (device) => {
  if (!device.features.has("shader-f16")) return;
  const bench = Workbench.of(device);
  const halves = `enable f16;
    struct Job { factor: f32 }
    @group(0) @binding(2) var<storage, read_write> pairs: array<vec2<f16>>;
    @compute @workgroup_size(1)
    fn scale() { pairs[0] *= f16(job.factor); }`;
  // 1 and 2 in float16, two to a word.
  const pairs = bench.buffer("pairs", Uint32Array.of(0x40003c00));
  Kernels.of(device, "halves", ["enable f16;", halves]).run("scale", { workgroups: 1 }, {
    job: { factor: 0.5 },
    pairs,
  });
  const [word] = await bench.read([{ buffer: pairs, at: 0, words: 1 }]);
  assertEquals(word, 0x3c003800);
  bench.free(pairs);
});
