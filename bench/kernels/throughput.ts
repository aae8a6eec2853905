/**
 * Memory throughput of the WGSL kernels on one large tensor, beside a plain copy of that tensor in
 * the same run. Each figure is bytes read plus bytes written over time: the float32 tensor once, and
 * packed codes with their parameters once. Time is the device's own (timestamp queries) around several
 * kernels in a row, and the median of several such rounds counts.
 *
 * ```sh
 * deno run bench/kernels/throughput.ts [MiB of float32, 256] [kernels per round, 16]
 * ```
 *
 * @module
 */
import { kivi } from "../../quant/families/kivi/kivi.ts";
import { skvq } from "../../quant/families/skvq/skvq.ts";
import { uniform } from "../../quant/families/uniform/uniform.ts";
import type { Family, HookAnswers, KvKind } from "../../quant/family.ts";
import type { GpuTensor } from "../../quant/tensor.ts";
import { settingsFor } from "../../quant/settings_for.ts";

const ROUNDS = 9;
const HEADS = 8;
const HEAD_DIM = 128;
/** Tokens stored before the clock starts, so that clearing new buffers is not timed. */
const WARM_TOKENS = 128;
const PATTERN = 1 << 20;

const [mebibytes = 256, repeats = 16] = Deno.args.map(Number);
const tokens = Math.floor(mebibytes * 2 ** 20 / (4 * HEADS * HEAD_DIM) / 128) * 128;
if (!(tokens > WARM_TOKENS) || !(repeats >= 1)) {
  console.error(`Give at least 1 MiB and 1 kernel per round, not ${Deno.args.join(" ")}`);
  Deno.exit(2);
}
const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
if (!adapter) {
  console.error("There is no WebGPU adapter on this machine");
  Deno.exit(1);
}
const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
const device = await adapter.requestDevice({
  requiredFeatures: ["timestamp-query"],
  requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
});
device.addEventListener("uncapturederror", (event) => {
  throw (event as GPUUncapturedErrorEvent).error;
});

const clock = device.createQuerySet({ type: "timestamp", count: 2 });
const stamps = device.createBuffer({
  size: 16,
  usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
});
const readable = device.createBuffer({
  size: 16,
  usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
});
const shape = { heads: HEADS, capacity: tokens, headDim: HEAD_DIM };
const bytes = 4 * HEADS * tokens * HEAD_DIM;
const source = tensor();
const target = tensor();
const pattern = new Float32Array(PATTERN)
  .map(() => Math.random() + Math.random() + Math.random() - 1.5);
for (let at = 0; at < bytes; at += pattern.byteLength) {
  const count = Math.min(PATTERN, (bytes - at) / 4);
  device.queue.writeBuffer(source.buffer, at, pattern, 0, count);
}

console.log(
  `${adapter.info.description}: ${bytes / 2 ** 20} MiB of float32, ${repeats} kernels per round`,
);
console.log(["kernel", "bits", "ms", "GB/s", "of copy"].join("\t"));

const copyTime = await medianTime(() => {
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source.buffer, 0, target.buffer, 0, bytes);
  device.queue.submit([encoder.finish()]);
});
const copyRate = 2 * bytes / copyTime;
report("copy", "", copyTime, 2 * bytes);

const cases = [
  { name: "uniform", family: uniform, kind: "key", axis: "token", changes: {} },
  { name: "kivi keys", family: kivi, kind: "key", axis: "channel", changes: {} },
  { name: "kivi values", family: kivi, kind: "value", axis: "token", changes: {} },
  { name: "skvq", family: skvq, kind: "key", axis: "token", changes: { clipRatio: 0.92 } },
] as const satisfies { family: typeof uniform; kind: KvKind; [rest: string]: unknown }[];

for (const { name, kind, axis, changes, ...rest } of cases) {
  const family: Family = rest.family;
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
    const settings = settingsFor(family, answers, shape);
    const open = () => {
      const store = family.openGpu(
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
      store.grow(WARM_TOKENS);
      return store;
    };
    let stores: ReturnType<typeof open>[] = [];
    const reopen = () => {
      for (const store of stores) store.free();
      stores = Array.from({ length: repeats }, open);
    };
    const grown = await medianTime((index) => stores[index]!.grow(tokens), reopen);
    const packed = stores[0]!.buffers(tokens).reduce((sum, { bytes }) => sum + bytes, 0);
    const warm = stores[0]!.buffers(WARM_TOKENS).reduce((sum, { bytes }) => sum + bytes, 0);
    const added = bytes * (tokens - WARM_TOKENS) / tokens + packed - warm;
    report(`${name}, quantize and pack`, bits, grown, added);
    const restored = await medianTime((index) => stores[index]!.restore(target));
    report(`${name}, restore`, bits, restored, bytes + packed);
    for (const store of stores) {
      await store.settle();
      store.free();
    }
  }
}

function tensor(): GpuTensor {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  return { ...shape, buffer: device.createBuffer({ size: bytes, usage }) };
}

/** Seconds of one kernel by the device's own clock: the median over rounds, the first one left out. */
async function medianTime(
  submit: (index: number) => void,
  prepare: () => void = () => {},
): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    prepare();
    await device.queue.onSubmittedWorkDone();
    stamp(0);
    for (let index = 0; index < repeats; index++) submit(index);
    stamp(1);
    const nanoseconds = await elapsed();
    if (round > 0) times.push(nanoseconds / 1e9 / repeats);
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!;
}

/** Has the device note its clock between what was submitted before and what comes after. */
function stamp(index: 0 | 1) {
  const encoder = device.createCommandEncoder();
  const timestampWrites = index === 0
    ? { querySet: clock, endOfPassWriteIndex: 0 }
    : { querySet: clock, beginningOfPassWriteIndex: 1 };
  encoder.beginComputePass({ timestampWrites }).end();
  device.queue.submit([encoder.finish()]);
}

/** Nanoseconds between the two stamps. */
async function elapsed(): Promise<number> {
  const encoder = device.createCommandEncoder();
  encoder.resolveQuerySet(clock, 0, 2, stamps, 0);
  encoder.copyBufferToBuffer(stamps, 0, readable, 0, 16);
  device.queue.submit([encoder.finish()]);
  await readable.mapAsync(GPUMapMode.READ);
  const [start, end] = new BigUint64Array(readable.getMappedRange().slice(0));
  readable.unmap();
  return Number(end! - start!);
}

function report(kernel: string, bits: number | string, seconds: number, moved: number) {
  const rate = moved / seconds;
  const share = `${Math.round(100 * rate / copyRate)}%`;
  console.log(
    [kernel, bits, (seconds * 1000).toFixed(3), (rate / 1e9).toPrecision(3), share].join("\t"),
  );
}
