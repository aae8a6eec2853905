/**
 * The machines every quantizer test runs on, behind one small interface, so that a test body is
 * written once. GPU tests need a WebGPU adapter; without one they are reported as ignored, or fail
 * when the environment variable KVREPLAY_REQUIRE_GPU is 1.
 */
import type { Family, Settings, Source, Store } from "../../quant/family.ts";
import { Workbench } from "../../quant/gpu/workbench.ts";
import type { CpuTensor, GpuTensor, KvShape } from "../../quant/tensor.ts";
import { watchBuffers } from "./buffer_watch.ts";

/** Settings of any family; a test passes a family only what that family resolved. */
// deno-lint-ignore no-explicit-any
type AnyFamily = Family<any>;

/** What a test needs of a machine. */
export interface TestBackend<T extends KvShape = KvShape> {
  readonly name: "cpu" | "gpu";
  upload(data: Float32Array<ArrayBuffer>, shape: KvShape): T;
  read(tensor: T): Promise<Float32Array<ArrayBuffer>>;
  open(family: AnyFamily, source: Source<T>, settings: Settings, tokens: number): Store<T>;
}

const cpu: TestBackend<CpuTensor> = {
  name: "cpu",
  upload: (data, { heads, capacity, headDim }) => ({ data, heads, capacity, headDim }),
  read: (tensor) => Promise.resolve(tensor.data),
  open: (family, source, settings, tokens) => family.openCpu(source, settings, tokens),
};

function gpu(device: GPUDevice, buffers: GPUBuffer[], stores: Store<GpuTensor>[]) {
  const bench = Workbench.of(device);
  const backend: TestBackend<GpuTensor> = {
    name: "gpu",
    upload(data, { heads, capacity, headDim }) {
      const buffer = bench.buffer("test tensor", data);
      buffers.push(buffer);
      return { buffer, heads, capacity, headDim };
    },
    async read({ buffer, heads, capacity, headDim }) {
      const words = await bench.read([{ buffer, at: 0, words: heads * capacity * headDim }]);
      return new Float32Array(words.buffer);
    },
    open(family, source, settings, tokens) {
      const store = family.openGpu(device, source, settings, tokens);
      stores.push(store);
      return store;
    },
  };
  return backend;
}

function environment(name: string): string | undefined {
  return Deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
    ? Deno.env.get(name)
    : undefined;
}

async function openDevice(): Promise<GPUDevice | undefined> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (adapter) {
    const halves: GPUFeatureName = "shader-f16";
    const requiredFeatures = adapter.features.has(halves) ? [halves] : [];
    return await adapter.requestDevice({ requiredFeatures });
  }
  const message = "skipped: no WebGPU adapter; install mesa-vulkan-drivers";
  if (environment("KVREPLAY_REQUIRE_GPU") === "1") {
    throw new Error(`KVREPLAY_REQUIRE_GPU is 1, but the GPU tests would be ${message}.`);
  }
  console.warn(`GPU tests ${message}.`);
  return undefined;
}

/** The device of the GPU tests; undefined without an adapter. */
export const device: GPUDevice | undefined = await openDevice();

const destroyLeft = device === undefined ? () => [] : watchBuffers(device);

/**
 * Runs `body` on a device inside error scopes, and frees what it was given: the tensors it uploaded
 * and the stores it opened. What it makes by itself it frees by itself.
 *
 * @throws what `body` throws, or an error for any validation or memory error the device reported, or
 *   for buffers that are still there when the stores have been freed
 */
export async function onGpu(
  body: (backend: TestBackend<GpuTensor>, device: GPUDevice) => Promise<void> | void,
): Promise<void> {
  if (device === undefined) throw new Error("There is no WebGPU device.");
  const buffers: GPUBuffer[] = [];
  const stores: Store<GpuTensor>[] = [];
  device.pushErrorScope("validation");
  device.pushErrorScope("out-of-memory");
  let left: string[];
  try {
    await body(gpu(device, buffers, stores), device);
  } finally {
    for (const store of stores) store.free();
    for (const buffer of buffers) buffer.destroy();
    Workbench.of(device).close();
    left = destroyLeft();
    const errors = [await device.popErrorScope(), await device.popErrorScope()];
    for (const error of errors) {
      // A device error explains any assertion that failed because of it.
      // deno-lint-ignore no-unsafe-finally
      if (error) throw new Error(`The GPU reported: ${error.message}`);
    }
  }
  if (left.length > 0) {
    const labels = [...new Set(left)].join(", ");
    throw new Error(`The test left ${left.length} buffers behind: ${labels}`);
  }
}

/** Registers a test of `body` on a device alone. */
export function gpuTest(name: string, body: (device: GPUDevice) => Promise<void> | void): void {
  Deno.test({
    name: `${name} (gpu)`,
    ignore: device === undefined,
    fn: () => onGpu((_, device) => body(device)),
  });
}

/** Registers a test of `body` for each backend. */
export function testOnBackends(
  name: string,
  body: (backend: TestBackend) => Promise<void> | void,
): void {
  Deno.test(`${name} (cpu)`, async () => await body(cpu as unknown as TestBackend));
  Deno.test({
    name: `${name} (gpu)`,
    ignore: device === undefined,
    fn: () => onGpu((backend) => body(backend as unknown as TestBackend)),
  });
}

/** Registers a test of `body` on both backends together, cpu memory first. */
export function testBothBackends(
  name: string,
  body: (backends: readonly [TestBackend, TestBackend]) => Promise<void> | void,
): void {
  Deno.test({
    name: `${name} (both)`,
    ignore: device === undefined,
    fn: () => onGpu((backend) => body([cpu as TestBackend, backend as TestBackend])),
  });
}
