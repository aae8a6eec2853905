/**
 * Time to quantize-and-pack and to restore the keys or values of 16 layers of 1,700 tokens with two
 * heads of 64 channels (3.5 million elements): the TypeScript reference, and the WGSL kernels when
 * there is a WebGPU adapter.
 *
 * @module
 */
import type { HookAnswers, KvKind, Settings, Source } from "../../quant/family.ts";
import { builtInFamilies, type FamilyName } from "../../quant/registry.ts";
import type { CpuTensor, GpuTensor, KvShape } from "../../quant/tensor.ts";
import { settingsFor } from "../../quant/settings_for.ts";

const LAYERS = 16;
const TOKENS = 1700;
const SHAPE = { heads: 2, capacity: TOKENS, headDim: 64 };
const ELEMENTS = SHAPE.heads * TOKENS * SHAPE.headDim;

const tensors: CpuTensor[] = Array.from({ length: LAYERS }, () => ({
  ...SHAPE,
  data: new Float32Array(ELEMENTS).map(() => Math.random() + Math.random() + Math.random() - 1.5),
}));
const target: CpuTensor = { ...SHAPE, data: new Float32Array(ELEMENTS) };

const SETTINGS = {
  "uniform": { family: "uniform", kind: "key", changes: {} },
  "kivi keys": { family: "kivi", kind: "key", changes: { axis: "channel" } },
  "kivi values": { family: "kivi", kind: "value", changes: {} },
  "skvq": { family: "skvq", kind: "key", changes: { clipRatio: 0.92 } },
  "qaq": { family: "qaq", kind: "value", changes: {} },
  "kvquant values": {
    family: "kvquant",
    kind: "value",
    changes: { quantizationMethod: "normal" },
  },
} as const satisfies Record<
  string,
  { family: FamilyName; kind: KvKind; changes: Partial<HookAnswers> }
>;
const WIDTHS = [2, 3, 4];

function settingsOf(name: keyof typeof SETTINGS, bits: number): Settings {
  const { family, kind, changes } = SETTINGS[name];
  const answers: HookAnswers = {
    layer: 0,
    kind,
    bits: [bits, bits],
    axis: "token",
    residualLength: 0,
    calibrationMode: "none",
    ...changes,
  };
  return settingsFor(builtInFamilies.of(family), answers, SHAPE);
}

function sourceOf<T extends KvShape>(tensor: T, kind: KvKind): Source<T> {
  return { layer: 0, kind, tensor, promptTokens: TOKENS, siblings: [], shared: new Map() };
}

const cases = (Object.keys(SETTINGS) as (keyof typeof SETTINGS)[])
  .flatMap((name) => WIDTHS.map((bits) => ({ name, bits, ...SETTINGS[name] })));

for (const { name, bits, family: familyName, kind } of cases) {
  const family = builtInFamilies.of(familyName);
  const settings = settingsOf(name, bits);
  const open = () =>
    tensors.map((tensor) => family.openCpu(sourceOf(tensor, kind), settings, TOKENS));

  Deno.bench(`${name}, ${bits} bits (cpu)`, { group: "quantize and pack" }, (timer) => {
    const stores = open();
    timer.start();
    for (const store of stores) store.grow(TOKENS);
    timer.end();
  });

  const full = open();
  Deno.bench(`${name}, ${bits} bits (cpu)`, { group: "restore" }, (timer) => {
    for (const store of full) store.grow(TOKENS);
    timer.start();
    for (const store of full) store.restore(target);
    timer.end();
  });
}

const device = await (await navigator.gpu?.requestAdapter())?.requestDevice();
if (device === undefined) {
  console.warn("No WebGPU adapter: the WGSL kernels are left out.");
} else {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const upload = ({ data }: CpuTensor): GpuTensor => {
    const buffer = device.createBuffer({ size: data.byteLength, usage });
    device.queue.writeBuffer(buffer, 0, data);
    return { ...SHAPE, buffer };
  };
  const gpuTensors = tensors.map(upload);
  const gpuTarget = upload(target);
  for (const { name, bits, family: familyName, kind } of cases) {
    const family = builtInFamilies.of(familyName);
    const settings = settingsOf(name, bits);
    const open = () =>
      gpuTensors.map((tensor) => family.openGpu(device, sourceOf(tensor, kind), settings, TOKENS));

    Deno.bench(`${name}, ${bits} bits (gpu)`, { group: "quantize and pack" }, async (timer) => {
      const stores = open();
      await device.queue.onSubmittedWorkDone();
      timer.start();
      for (const store of stores) store.grow(TOKENS);
      await device.queue.onSubmittedWorkDone();
      timer.end();
      for (const store of stores) store.free();
    });

    const full = open();
    Deno.bench(`${name}, ${bits} bits (gpu)`, { group: "restore" }, async (timer) => {
      for (const store of full) store.grow(TOKENS);
      await device.queue.onSubmittedWorkDone();
      timer.start();
      for (const store of full) store.restore(gpuTarget);
      await device.queue.onSubmittedWorkDone();
      timer.end();
    });
  }
}
