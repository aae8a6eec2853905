/**
 * How data gets back from a GPU under Deno, whose own way is slow (denoland/deno,
 * `ext/webgpu/buffer.rs`, 2.9.6): `mapAsync` waits for the device inside the call, and then always
 * sleeps ten milliseconds. Once the call has returned the data is there, so nobody has to wait for its
 * promise. The one condition is that the buffer has been mapped before, for else `getMappedRange` does
 * not know what for.
 *
 * Deno promises nothing of that, so it is tried out when a device is opened, and left alone where it
 * does not hold. On the way there `writeBuffer` is fast; a buffer that is mapped for writing is not:
 * `getMappedRange` copies its memory out first, at 20 to 40 MiB a second on a graphics card.
 *
 * @module
 */

/** `direct` with the detour avoided, `plain` as Deno has it. */
export type Transfers = "direct" | "plain";

/**
 * Makes the buffers of a device avoid the detour from here on, if that works on it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { findAdapter, openDevice } from "./adapter.ts";
 * import { openTransfers } from "./transfers.ts";
 *
 * const found = await findAdapter();
 * if (found !== undefined) {
 *   const device = await openDevice(found.adapter);
 *   assertEquals(await openTransfers(device), "direct");
 *   device.destroy();
 * }
 * ```
 */
export async function openTransfers(device: GPUDevice): Promise<Transfers> {
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    return descriptor.usage & GPUBufferUsage.MAP_READ && !descriptor.mappedAtCreation
      ? forReadback(create, descriptor)
      : create(descriptor);
  };
  if (await roundTrips(device)) return "direct";
  device.createBuffer = create;
  return "plain";
}

type CreateBuffer = GPUDevice["createBuffer"];

/**
 * Makes the buffers of a device that are mapped when they are made, as onnxruntime's are, take what is
 * written to their ranges through `writeBuffer` when they are unmapped. They are mapped once only.
 */
export function uploadThroughQueue(device: GPUDevice): void {
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) =>
    descriptor.mappedAtCreation ? forUpload(device, create, descriptor) : create(descriptor);
}

/** A buffer that is written through `writeBuffer` when it is unmapped. */
function forUpload(
  device: GPUDevice,
  create: CreateBuffer,
  descriptor: GPUBufferDescriptor,
): GPUBuffer {
  const usage = descriptor.usage & ~GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_DST;
  const buffer = create({ ...descriptor, usage, mappedAtCreation: false });
  const ranges: { readonly at: number; readonly data: ArrayBuffer }[] = [];
  buffer.getMappedRange = (at = 0, size = buffer.size - at) => {
    const data = new ArrayBuffer(size);
    ranges.push({ at, data });
    return data;
  };
  buffer.unmap = () => {
    for (const { at, data } of ranges.splice(0)) {
      // Deno 2.9.6 aborts when it is asked to write nothing.
      if (data.byteLength > 0) device.queue.writeBuffer(buffer, at, data);
    }
  };
  return buffer;
}

/** A buffer whose contents are there as soon as `mapAsync` has been called. */
function forReadback(create: CreateBuffer, descriptor: GPUBufferDescriptor): GPUBuffer {
  const buffer = create({ ...descriptor, mappedAtCreation: true });
  buffer.unmap();
  const map = buffer.mapAsync.bind(buffer);
  buffer.mapAsync = (...where) => {
    // What went wrong shows in `getMappedRange`, which then has nothing to give.
    map(...where).catch(() => {});
    return Promise.resolve(undefined);
  };
  return buffer;
}

/** Whether what is written comes back, and without anything having been awaited. */
async function roundTrips(device: GPUDevice): Promise<boolean> {
  const words = Uint32Array.of(0x6b767265, 0x706c6179, 0xffffffff, 1);
  const size = words.byteLength;
  const buffers: GPUBuffer[] = [];
  const make = (usage: number) => {
    const buffer = device.createBuffer({ size, usage });
    buffers.push(buffer);
    return buffer;
  };
  device.pushErrorScope("validation");
  let came: ArrayBuffer | undefined;
  try {
    const sent = make(GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
    device.queue.writeBuffer(sent, 0, words);
    const back = make(GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(sent, 0, back, 0, size);
    device.queue.submit([encoder.finish()]);
    back.mapAsync(GPUMapMode.READ);
    came = back.getMappedRange().slice(0);
    back.unmap();
  } catch {
    // Another runtime, or another version of this one.
  }
  const invalid = await device.popErrorScope();
  for (const buffer of buffers) buffer.destroy();
  if (invalid !== null || came === undefined) return false;
  const read = new Uint32Array(came);
  return words.every((word, i) => word === read[i]);
}
