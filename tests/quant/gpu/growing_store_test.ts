/** A store with a layout of its own, as a family would write it, and what it gets for nothing. */
import { assertEquals, assertRejects } from "@std/assert";
import type { BufferContents, Settings, Source, StoredBuffer } from "../../../quant/family.ts";
import { GrowingStore } from "../../../quant/gpu/growing_store.ts";
import { Kernels } from "../../../quant/gpu/kernels.ts";
import { type WordRegion, Workbench } from "../../../quant/gpu/workbench.ts";
import pack from "../../../quant/packing/pack.wgsl" with { type: "text" };
import { QuantizerError } from "../../../quant/quantizer_error.ts";
import type { GpuTensor } from "../../../quant/tensor.ts";
import { gpuTest } from "../backends.ts";

/** Keeps the sign of every entry, a bit each, and counts the negative ones of each token. */
const SIGNS = `
  struct Job { heads: u32, head_dim: u32, capacity: u32, first: u32, tokens: u32 }
  @group(0) @binding(2) var<storage, read> source: array<f32>;
  @group(0) @binding(3) var<storage, read_write> signs: array<atomic<u32>>;
  @group(0) @binding(4) var<storage, read_write> negative: array<atomic<u32>>;
  @group(0) @binding(5) var<storage, read> weights: array<f32>;
  @group(0) @binding(6) var<storage, read_write> restored: array<f32>;
  // One invocation per entry, in the order of tokens, heads, channels.
  struct Entry { token: u32, head: u32, address: u32, bit: u32 }
  fn entry(index: u32) -> Entry {
    let bit = job.first * job.heads * job.head_dim + index;
    let token = bit / job.head_dim / job.heads;
    let head = bit / job.head_dim % job.heads;
    let address = (head * job.capacity + token) * job.head_dim + bit % job.head_dim;
    return Entry(token, head, address, bit);
  }
  @compute @workgroup_size(workgroup_threads)
  fn quantize(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let index = flat_index(id, workgroups);
    if (index >= job.heads * job.tokens * job.head_dim) { return; }
    let e = entry(index);
    let x = source[e.address];
    if (!is_finite_value(x)) { report_not_finite(e.token, job.heads, e.head); }
    if (x < 0.0) {
      atomicOr(&signs[e.bit >> 5u], 1u << (e.bit & 31u));
      atomicAdd(&negative[e.token], 1u);
    }
  }
  @compute @workgroup_size(workgroup_threads)
  fn restore(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let index = flat_index(id, workgroups);
    if (index >= job.heads * job.tokens * job.head_dim) { return; }
    let e = entry(index);
    restored[e.address] = weights[(atomicLoad(&signs[e.bit >> 5u]) >> (e.bit & 31u)) & 1u];
  }`;

const key = {};

const settings: Settings = {
  family: "signs",
  layer: 4,
  kind: "value",
  bits: [1, 1],
  paramDtype: "f32",
};

class SignStore extends GrowingStore<Settings, "signs" | "negative"> {
  /** Negative entries of every token, as far as they have been read back. */
  readonly negative: number[] = [];
  readonly #kernels: Kernels;

  constructor(device: GPUDevice, source: Source<GpuTensor>, tokens: number) {
    const { heads, headDim } = source.tensor;
    const words = Math.ceil(tokens * heads * headDim / 32);
    super(device, source, settings, (_, n) => ({ from: 0, to: n }), {
      signs: words,
      negative: tokens,
    });
    this.#kernels = Kernels.of(device, "signs", [pack, SIGNS]);
    this.tables = this.bench.shared(
      key,
      () => ({ weights: this.bench.buffer("weights", Float32Array.of(1, -1)) }),
    );
  }

  restore(target: GpuTensor): void {
    this.#run("restore", target, 0, this.tokens, { restored: target.buffer });
  }

  buffers(n: number): StoredBuffer[] {
    const { heads, headDim } = this.source.tensor;
    const bytes = 4 * Math.ceil(n * heads * headDim / 32);
    return [{ role: "signs", bytes }, { role: "negative", bytes: 4 * n }];
  }

  contents(): Promise<BufferContents[]> {
    return this.used(this.buffers(this.length));
  }

  rooms(): Promise<BufferContents[]> {
    return this.whole("negative");
  }

  protected quantize(first: number, tokens: number): void {
    const { tensor } = this.source;
    this.#run("quantize", tensor, first, tokens, { source: tensor.buffer });
  }

  protected override awaited(): readonly WordRegion[] {
    const at = this.negative.length;
    return [{ buffer: this.memory.negative, at, words: this.tokens - at }];
  }

  protected override learn(words: Uint32Array<ArrayBuffer>): void {
    this.negative.push(...words);
  }

  #run(
    entryPoint: string,
    { heads, headDim, capacity }: GpuTensor,
    first: number,
    tokens: number,
    buffers: Record<string, GPUBuffer>,
  ): void {
    const job = { heads, head_dim: headDim, capacity, first, tokens };
    this.run(this.#kernels, entryPoint, { threads: heads * tokens * headDim }, { job, ...buffers });
  }
}

/** Two heads, three tokens, two channels. */
const ENTRIES = Float32Array.of(1, -2, -3, 4, 5, 6, -1, -1, 2, 2, 3, -3);
const SHAPE = { heads: 2, capacity: 3, headDim: 2 };

function open(
  device: GPUDevice,
  entries: Float32Array<ArrayBuffer>,
  shared = new Map<string, unknown>(),
) {
  const bench = Workbench.of(device);
  const buffer = bench.buffer("tensor", entries);
  const source: Source<GpuTensor> = {
    layer: 4,
    kind: "value",
    tensor: { ...SHAPE, buffer },
    promptTokens: 3,
    siblings: [],
    shared,
  };
  return { bench, store: new SignStore(device, source, SHAPE.capacity), buffer };
}

gpuTest("roles and shared tables are bound to the variables of their names", async (device) => {
  const { bench, store, buffer } = open(device, ENTRIES);
  store.grow(2);
  await store.settle();
  // -2 and -1, -1; then -3.
  assertEquals(store.negative, [3, 1]);
  const target = bench.buffer("target", 2 * 4 * 2);
  store.restore({ ...SHAPE, capacity: 4, buffer: target });
  const words = await bench.read([{ buffer: target, at: 0, words: 16 }]);
  assertEquals(
    [...new Float32Array(words.buffer)],
    [1, -1, -1, 1, 0, 0, 0, 0, -1, -1, 1, 1, 0, 0, 0, 0],
  );
  store.free();
  bench.free(buffer, target);
});

gpuTest("tokens are quantized once, as the range moves on", async (device) => {
  const { bench, store, buffer } = open(device, ENTRIES);
  assertEquals([store.quantized, store.rewrites()], [{ from: 0, to: 0 }, false]);
  for (const n of [1, 1, 3]) store.grow(n);
  assertEquals(store.quantized, { from: 0, to: 3 });
  // A token that was counted twice would have more.
  assertEquals(await store.contents(), [
    { role: "signs", words: Uint32Array.of(0b1000_0001_1110) },
    { role: "negative", words: Uint32Array.of(3, 1, 1) },
  ]);
  store.free();
  bench.free(buffer);
});

gpuTest("contents are the words in use, or the whole buffers", async (device) => {
  const { bench, store, buffer } = open(device, ENTRIES);
  store.grow(1);
  const roles = (await store.contents()).map(({ words }) => words.length);
  assertEquals(roles, [1, 1]);
  assertEquals(await store.rooms(), [{ role: "negative", words: Uint32Array.of(3, 0, 0) }]);
  store.free();
  bench.free(buffer);
});

gpuTest(
  "input that is not finite is reported once it is looked for, and stays so",
  async (device) => {
    const entries = ENTRIES.slice();
    entries[9] = NaN;
    entries[11] = Infinity;
    const { bench, store, buffer } = open(device, entries);
    await store.settle();
    store.grow(1);
    await store.settle();
    store.grow(3);
    for (let i = 0; i < 2; i++) {
      await assertRejects(() => store.settle(), QuantizerError, "Layer 4 values hold");
      await assertRejects(() => store.settle(), QuantizerError, "head 1, token 1;");
    }
    store.free();
    bench.free(buffer);
  },
);

gpuTest("stores that are settled at once each wait for their own report", async (device) => {
  const entries = ENTRIES.slice();
  entries[0] = NaN;
  const shared = new Map<string, unknown>();
  const opened = [ENTRIES, entries, ENTRIES].map((e) => open(device, e, shared));
  for (const { store } of opened) store.grow(1);
  const known = opened.map(async ({ store }) => {
    await store.settle().catch((error) => error instanceof QuantizerError || Promise.reject(error));
    return [...store.negative];
  });
  assertEquals(await Promise.all(known), [[3], [3], [3]]);
  for (const { store } of opened) store.grow(2);
  const settled = await Promise.allSettled(opened.map(({ store }) => store.settle()));
  assertEquals(settled.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  for (const { bench, store, buffer } of opened) {
    store.free();
    bench.free(buffer);
  }
});

gpuTest(
  "a store that is freed leaves nothing, and is not looked after any more",
  async (device) => {
    const { bench, store, buffer } = open(device, ENTRIES);
    store.grow(3);
    store.free();
    await store.settle();
    assertEquals(store.negative, []);
    bench.free(buffer);
    bench.close();
    assertEquals(bench.live, 0);
  },
);

gpuTest("a store that is freed while its report is on its way is told nothing", async (device) => {
  const { bench, store, buffer } = open(device, ENTRIES);
  store.grow(3);
  const settled = store.settle();
  // Its words are asked for.
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  store.free();
  await settled;
  assertEquals(store.negative, []);
  bench.free(buffer);
});

gpuTest(
  "all steps of a pass are quantized by one launch, before anything reads them",
  async (device) => {
    const { bench, store, buffer } = open(device, ENTRIES);
    const launches: string[] = [];
    const { launch } = bench;
    bench.launch = function (what) {
      launches.push(what.pipeline.label);
      launch.call(this, what);
    };
    try {
      for (const n of [1, 2, 3]) store.grow(n);
      assertEquals([store.quantized.to, launches], [3, []]);
      const target = bench.buffer("target", 12);
      store.restore({ ...SHAPE, buffer: target });
      assertEquals(launches, ["signs quantize", "signs restore"]);
      const words = await bench.read([{ buffer: target, at: 0, words: 12 }]);
      assertEquals([...new Float32Array(words.buffer)], [...ENTRIES].map((x) => Math.sign(x)));
      bench.free(target);
      await store.settle();
      assertEquals(launches.length, 2);
    } finally {
      Reflect.deleteProperty(bench, "launch");
      store.free();
      bench.free(buffer);
    }
  },
);
