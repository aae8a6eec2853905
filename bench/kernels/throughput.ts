/**
 * Memory throughput of the WGSL kernels on one large tensor, beside the fastest plain copy of that
 * tensor by a kernel. Each figure is bytes read plus bytes written over time: the float32 tensor once,
 * and packed codes with their parameters once. Time is the device's own, by timestamps at the ends of
 * the compute passes; what the host does between them is not in it.
 *
 * A GPU that has little to do lowers its clock, and everything takes longer. So behind every kernel the
 * same short chain of dependent arithmetic is timed: where that took longer than the shortest time seen,
 * the clock had fallen, and the run is repeated. The column `clock` is the slowest one that counted.
 *
 * ```sh
 * deno run bench/kernels/throughput.ts [MiB of float32, 256] [families, all]
 * ```
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import { openDevice } from "../../engine/devices/adapter.ts";
import { openTransfers } from "../../engine/devices/transfers.ts";
import { plainRotary } from "../../engine/rotary.ts";
import { families } from "../../quant/mod.ts";
import type { Axis, Family, HookAnswers, KvKind, Settings } from "../../quant/family.ts";
import { learn } from "../../quant/learned.ts";
import { keepSamples } from "../../quant/sample_keeper.ts";
import { Kernels } from "../../quant/gpu/kernels.ts";
import { Workbench } from "../../quant/gpu/workbench.ts";
import type { GpuTensor } from "../../quant/tensor.ts";
import { settingsFor } from "../../quant/settings_for.ts";

/** Runs that count, and runs at most; the middle one is told. */
const ROUNDS = 9;
const MOST_ROUNDS = 60;
/** How much longer the chain may take than in the shortest run. */
const FALLEN = 1.04;
const HEADS = 8;
const HEAD_DIM = 128;
const PATTERN = 1 << 20;
/** Passes of one measurement at most. */
const PASSES = 512;

const TEXT = `
  struct Job { count: u32, steps: u32 }
  @group(0) @binding(2) var<storage, read> source: array<vec4f>;
  @group(0) @binding(3) var<storage, read_write> copied: array<vec4f>;
  @group(0) @binding(4) var<storage, read_write> result: array<f32>;
  @compute @workgroup_size(256)
  fn copy(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u,
      @builtin(local_invocation_index) lane: u32) {
    let index = flat_workgroup(id, workgroups) * 256u + lane;
    if (index < job.count) { copied[index] = source[index]; }
  }
  // Every step waits for the one before it: as many clocks whatever else the device could do.
  @compute @workgroup_size(32)
  fn chain(@builtin(local_invocation_index) lane: u32) {
    var x = result[lane];
    for (var i = 0u; i < job.steps; i++) { x = fma(x, 0.999, 0.001); }
    result[lane] = x;
  }`;

interface Case {
  readonly name: string;
  readonly family: keyof typeof families;
  readonly kind: KvKind;
  readonly axis: Axis;
  readonly changes?: Partial<HookAnswers>;
}

/** With a codebook that need not be learned. */
const KVQUANT: Partial<HookAnswers> = { quantizationMethod: "normal", outliersRatio: 0.01 };

/** Tokens that a family learns from, if it has to. */
const LEARNED_TOKENS = 1024;

/** With their policies' settings. */
const CASES: readonly Case[] = [
  { name: "uniform", family: "uniform", kind: "key", axis: "token" },
  { name: "kivi keys", family: "kivi", kind: "key", axis: "channel" },
  { name: "kivi values", family: "kivi", kind: "value", axis: "token" },
  { name: "skvq", family: "skvq", kind: "key", axis: "token", changes: { clipRatio: 0.92 } },
  { name: "hf_quanto", family: "hf_quanto", kind: "value", axis: "token" },
  { name: "kvtuner keys", family: "kvtuner", kind: "key", axis: "channel" },
  { name: "turboquant", family: "turboquant", kind: "key", axis: "token" },
  { name: "qaq", family: "qaq", kind: "value", axis: "token" },
  { name: "kvquant values", family: "kvquant", kind: "value", axis: "token", changes: KVQUANT },
  { name: "hf_hqq", family: "hf_hqq", kind: "value", axis: "token" },
  {
    name: "transform",
    family: "transform",
    kind: "value",
    axis: "token",
    changes: { calibrationMode: "offline" },
  },
];

const [mebibytes = "256", named = ""] = Deno.args;
const tokens = Math.floor(Number(mebibytes) * 2 ** 20 / (4 * HEADS * HEAD_DIM) / 128) * 128;
const cases = CASES.filter(({ family }) => named === "" || named.split(",").includes(family));
if (!(tokens > 0) || cases.length === 0) {
  console.error(`Give at least 1 MiB and families that are measured, not ${Deno.args.join(" ")}`);
  Deno.exit(2);
}
const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
if (!adapter) {
  console.error("There is no WebGPU adapter on this machine");
  Deno.exit(1);
}
const device = await openDevice(adapter);
await openTransfers(device);
device.addEventListener("uncapturederror", (event) => {
  throw (event as GPUUncapturedErrorEvent).error;
});
const bench = Workbench.of(device);

// Every compute pass is stamped at both ends while something is measured.
const clock = device.createQuerySet({ type: "timestamp", count: 2 * PASSES });
const stamps = device.createBuffer({
  size: 16 * PASSES,
  usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
});
let passes = 0;
let stamping = false;
const createEncoder = device.createCommandEncoder.bind(device);
device.createCommandEncoder = (descriptor) => {
  const encoder = createEncoder(descriptor);
  const begin = encoder.beginComputePass.bind(encoder);
  encoder.beginComputePass = (pass) => {
    if (!stamping) return begin(pass);
    if (passes === PASSES) throw new InternalError(`More than ${PASSES} passes cannot be timed`);
    const at = 2 * passes++;
    return begin({
      ...pass,
      timestampWrites: {
        querySet: clock,
        beginningOfPassWriteIndex: at,
        endOfPassWriteIndex: at + 1,
      },
    });
  };
  return encoder;
};

const shape = { heads: HEADS, capacity: tokens, headDim: HEAD_DIM };
const bytes = 4 * HEADS * tokens * HEAD_DIM;
const tensor = (): GpuTensor => ({ ...shape, buffer: bench.buffer("tensor", bytes / 4) });
const [source, target] = [tensor(), tensor()];
const pattern = new Float32Array(PATTERN)
  .map(() => Math.random() + Math.random() + Math.random() - 1.5);
for (let at = 0; at < bytes; at += pattern.byteLength) {
  const count = Math.min(PATTERN, (bytes - at) / 4);
  device.queue.writeBuffer(source.buffer, at, pattern, 0, count);
}
const kernels = Kernels.of(device, "throughput", [TEXT]);
const result = bench.buffer("result", 32);
const copy = () =>
  kernels.run("copy", { threads: bytes / 16 }, {
    job: { count: bytes / 16, steps: 0 },
    source: source.buffer,
    copied: target.buffer,
  });
const chain = () =>
  kernels.run("chain", { workgroups: 1 }, { job: { count: 0, steps: 20_000 }, result });

/** Milliseconds of the chain in the fastest run so far. */
let fastest = Infinity;

console.log(
  `${adapter.info.description}: ${bytes / 2 ** 20} MiB of float32, passes timed by timestamps`,
);
console.log(["kernel", "bits", "ms", "GB/s", "of copy", "clock", "repeated"].join("\t"));
for (let i = 0; i < 50; i++) copy();
const copyTime = await middle(copy);
const copyRate = 2 * bytes / copyTime.seconds;
report("copy", "", copyTime, 2 * bytes);

for (const { name, family: familyName, kind, axis, changes } of cases) {
  const family: Family = families[familyName];
  for (const bits of [2, 4]) {
    const answers: HookAnswers = {
      layer: 0,
      kind,
      axis,
      bits: Array.from({ length: HEADS }, () => bits),
      residualLength: 0,
      calibrationMode: "none",
      ...changes,
    };
    const settings = learned(family, settingsFor(family, answers, shape));
    const open = () =>
      family.openGpu(
        device,
        {
          layer: 0,
          kind,
          tensor: source,
          promptTokens: tokens,
          siblings: [],
          shared: new Map(),
        },
        settings,
        tokens,
      );
    let store = open();
    const quantized = await middle(
      () => {
        store.grow(tokens);
        // Some write only when it has come back how much there is.
        return store.settle();
      },
      () => {
        store.free();
        store = open();
      },
    );
    const packed = store.buffers(tokens).reduce((sum, { bytes }) => sum + bytes, 0);
    report(`${name}, quantize and pack`, bits, quantized, bytes + packed);
    const restored = await middle(() => store.restore(target));
    report(`${name}, restore`, bits, restored, bytes + packed);
    await store.settle();
    store.free();
  }
}

/** Settings with what they learn from numbers like those that are quantized. */
function learned(family: Family, settings: Settings): Settings {
  if (!settings.calibrated) return settings;
  const data = new Float32Array(HEADS * LEARNED_TOKENS * HEAD_DIM)
    .map((_, i) => pattern[i % PATTERN]!);
  const sample = { heads: HEADS, capacity: LEARNED_TOKENS, headDim: HEAD_DIM, data };
  const layer = { keys: [sample], preRopeKeys: [sample], values: [sample], queries: [] };
  const samples = { layers: [layer], rotary: plainRotary(HEAD_DIM, 10_000) };
  return { ...settings, calibration: learn(family, keepSamples(samples), settings) };
}

interface Time {
  readonly seconds: number;
  /** Share of the highest clock seen, of the slowest run that counts. */
  readonly clock: number;
  /** Runs that did not count. */
  readonly repeated: number;
}

/** The middle one of the runs of `work` at full clock, the first one left out. */
async function middle(
  work: () => unknown,
  prepare: () => void = () => {},
): Promise<Time> {
  const runs: { seconds: number; chained: number }[] = [];
  const full = () => runs.filter(({ chained }) => chained <= FALLEN * fastest);
  for (let round = 0; round <= MOST_ROUNDS && full().length < ROUNDS; round++) {
    prepare();
    bench.batch(() => {
      // So that the clock has a reason to stay up.
      for (let i = 0; i < 4; i++) copy();
    });
    passes = 0;
    stamping = true;
    await bench.batch(work);
    const worked = passes;
    bench.batch(chain);
    stamping = false;
    const times = await elapsed(passes);
    const sum = (from: number, to: number) =>
      times.slice(from, to).reduce((total, time) => total + time, 0);
    const chained = sum(worked, passes);
    fastest = Math.min(fastest, chained);
    if (round > 0) runs.push({ seconds: sum(0, worked), chained });
  }
  const counted = full().length === 0 ? runs : full();
  const seconds = counted.map((run) => run.seconds).sort((a, b) => a - b);
  return {
    seconds: seconds[seconds.length >> 1]!,
    clock: fastest / Math.max(...counted.map(({ chained }) => chained)),
    repeated: runs.length - counted.length,
  };
}

/** Seconds of each of the first `count` passes. */
async function elapsed(count: number): Promise<number[]> {
  const encoder = createEncoder();
  encoder.resolveQuerySet(clock, 0, 2 * count, stamps, 0);
  device.queue.submit([encoder.finish()]);
  const words = await bench.read([{ buffer: stamps, at: 0, words: 4 * count }]);
  const times = new BigUint64Array(words.buffer);
  return Array.from(
    { length: count },
    (_, i) => Number(times[2 * i + 1]! - times[2 * i]!) / 1e9,
  );
}

function report(
  kernel: string,
  bits: number | string,
  { seconds, clock, repeated }: Time,
  moved: number,
) {
  const rate = moved / seconds;
  const percent = (share: number) => `${Math.round(100 * share)}%`;
  console.log([
    kernel,
    bits,
    (seconds * 1000).toFixed(3),
    (rate / 1e9).toPrecision(3),
    percent(rate / copyRate),
    percent(clock),
    repeated,
  ].join("\t"));
}
