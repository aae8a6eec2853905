/** A store with a layout of its own, as a family would write it, and what it gets for nothing. */
import { assertEquals, assertRejects } from "@std/assert";
import type { Source, StoredBuffer } from "../../../quant/family.ts";
import { DeviceStore } from "../../../quant/gpu/device_store.ts";
import { Kernels } from "../../../quant/gpu/kernels.ts";
import { type WordRegion, Workbench } from "../../../quant/gpu/workbench.ts";
import pack from "../../../quant/packing/pack.wgsl" with { type: "text" };
import { QuantizerError } from "../../../quant/quantizer_error.ts";
import type { GpuTensor } from "../../../quant/tensor.ts";
import { gpuTest } from "../backends.ts";

/** Keeps the sign of every entry, a bit each, and counts the negative ones of each token. */
const SIGNS = `
  struct Job { heads: u32, head_dim: u32, capacity: u32, tokens: u32 }
  @group(0) @binding(2) var<storage, read> source: array<f32>;
  @group(0) @binding(3) var<storage, read_write> signs: array<atomic<u32>>;
  @group(0) @binding(4) var<storage, read_write> negative: array<atomic<u32>>;
  @group(0) @binding(5) var<storage, read> weights: array<f32>;
  @group(0) @binding(6) var<storage, read_write> restored: array<f32>;
  @compute @workgroup_size(workgroup_threads)
  fn quantize(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let index = flat_index(id, workgroups);
    if (index >= job.heads * job.tokens * job.head_dim) { return; }
    let token = index / job.head_dim % job.tokens;
    let head = index / job.head_dim / job.tokens;
    let x = source[(head * job.capacity + token) * job.head_dim + index % job.head_dim];
    if (!is_finite_value(x)) { report_not_finite(token, job.heads, head); }
    if (x < 0.0) {
      atomicOr(&signs[index >> 5u], 1u << (index & 31u));
      atomicAdd(&negative[token], 1u);
    }
  }
  @compute @workgroup_size(workgroup_threads)
  fn restore(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let index = flat_index(id, workgroups);
    if (index >= job.heads * job.tokens * job.head_dim) { return; }
    let token = index / job.head_dim % job.tokens;
    let head = index / job.head_dim / job.tokens;
    let bit = (atomicLoad(&signs[index >> 5u]) >> (index & 31u)) & 1u;
    restored[(head * job.capacity + token) * job.head_dim + index % job.head_dim] = weights[bit];
  }`;

const key = {};

class SignStore extends DeviceStore<"signs" | "negative"> {
  readonly negative: number[] = [];
  readonly #source: Source<GpuTensor>;
  readonly #kernels: Kernels;

  constructor(device: GPUDevice, source: Source<GpuTensor>) {
    const { heads, headDim, capacity } = source.tensor;
    super(device, source, {
      signs: Math.ceil(heads * headDim * capacity / 32),
      negative: capacity,
    });
    this.#source = source;
    this.#kernels = Kernels.of(device, "signs", [pack, SIGNS]);
    this.tables = this.bench.shared(
      key,
      () => ({ weights: this.bench.buffer("weights", Float32Array.of(1, -1)) }),
    );
  }

  quantize(): void {
    this.#run("quantize", this.#source.tensor, { source: this.#source.tensor.buffer });
  }

  restore(target: GpuTensor): void {
    this.#run("restore", target, { restored: target.buffer });
  }

  held(): Promise<unknown> {
    const declared: StoredBuffer[] = [{ role: "negative", bytes: 8 }, { role: "signs", bytes: 4 }];
    return this.used(declared);
  }

  all(): Promise<unknown> {
    return this.whole("negative");
  }

  protected override awaited(): readonly WordRegion[] {
    return [{ buffer: this.memory.negative, at: 0, words: this.#source.tensor.capacity }];
  }

  protected override learn(words: Uint32Array<ArrayBuffer>): void {
    this.negative.push(...words);
  }

  #run(entryPoint: string, tensor: GpuTensor, buffers: Record<string, GPUBuffer>): void {
    const { heads, headDim, capacity } = tensor;
    const tokens = this.#source.tensor.capacity;
    const job = { heads, head_dim: headDim, capacity, tokens };
    this.run(this.#kernels, entryPoint, { threads: heads * tokens * headDim }, { job, ...buffers });
  }
}

/** Two heads, three tokens, two channels. */
const ENTRIES = Float32Array.of(1, -2, -3, 4, 5, 6, -1, -1, 2, 2, 3, -3);
const SHAPE = { heads: 2, capacity: 3, headDim: 2 };

function open(device: GPUDevice, entries: Float32Array<ArrayBuffer>) {
  const bench = Workbench.of(device);
  const buffer = bench.buffer("tensor", entries);
  const source: Source<GpuTensor> = {
    layer: 4,
    kind: "value",
    tensor: { ...SHAPE, buffer },
    promptTokens: 3,
    siblings: [],
    shared: new Map(),
  };
  const store = new SignStore(device, source);
  return { bench, store, buffer };
}

gpuTest("roles and shared tables are bound to the variables of their names", async (device) => {
  const { bench, store, buffer } = open(device, ENTRIES);
  store.quantize();
  await store.settle();
  // Tokens 0, 1 and 2 of both heads: -2, -1 and -1; -3; -3.
  assertEquals(store.negative, [3, 1, 1]);
  const target = bench.buffer("target", 2 * 4 * 2);
  store.restore({ ...SHAPE, capacity: 4, buffer: target });
  const words = await bench.read([{ buffer: target, at: 0, words: 16 }]);
  assertEquals(
    [...new Float32Array(words.buffer)],
    [1, -1, -1, 1, 1, 1, 0, 0, -1, -1, 1, 1, 1, -1, 0, 0],
  );
  store.free();
  bench.free(buffer, target);
});

gpuTest("contents are the words in use, or the whole buffers", async (device) => {
  const { bench, store, buffer } = open(device, ENTRIES);
  store.quantize();
  assertEquals(await store.held(), [
    { role: "negative", words: Uint32Array.of(3, 1) },
    { role: "signs", words: Uint32Array.of(0b1000_1100_0110) },
  ]);
  assertEquals(await store.all(), [{ role: "negative", words: Uint32Array.of(3, 1, 1) }]);
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
    assertEquals(store.negative, []);
    store.quantize();
    for (let i = 0; i < 2; i++) {
      await assertRejects(() => store.settle(), QuantizerError, "Layer 4 values hold");
      await assertRejects(() => store.settle(), QuantizerError, "head 1, token 1;");
    }
    store.free();
    bench.free(buffer);
  },
);

gpuTest(
  "a store that is freed leaves nothing, and is not looked after any more",
  async (device) => {
    const { bench, store, buffer } = open(device, ENTRIES);
    store.quantize();
    store.free();
    await store.settle();
    assertEquals(store.negative, []);
    bench.free(buffer);
    bench.close();
    assertEquals(bench.live, 0);
  },
);
