/**
 * WGSL compute pipelines and the small buffers around a dispatch, shared by the families' stores.
 *
 * @module
 */

/** Threads of one workgroup in every kernel (`workgroup_threads` in the WGSL). */
export const WORKGROUP_THREADS = 64;

/** Most workgroups WebGPU guarantees along one dimension. */
const MAX_WORKGROUPS = 65535;

const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

/**
 * The pipeline of one entry point, compiled once per device.
 *
 * @param name what the pipeline is called in errors; with `constants` it identifies the pipeline
 * @param sources WGSL texts, concatenated in this order
 * @param constants values of the WGSL's `override` declarations
 */
export function computePipeline(
  device: GPUDevice,
  name: string,
  entryPoint: string,
  sources: readonly string[],
  constants: Readonly<Record<string, number>>,
): GPUComputePipeline {
  const key = JSON.stringify([name, entryPoint, constants]);
  let known = pipelines.get(device);
  if (known === undefined) pipelines.set(device, known = new Map());
  let pipeline = known.get(key);
  if (pipeline === undefined) {
    const label = `${name} ${entryPoint}`;
    const module = device.createShaderModule({ label, code: sources.join("\n") });
    pipeline = device.createComputePipeline({
      label,
      layout: "auto",
      compute: { module, entryPoint, constants: { ...constants } },
    });
    known.set(key, pipeline);
  }
  return pipeline;
}

/** Submits one dispatch of at least `threads` invocations; kernels flatten the two dimensions. */
export function dispatch(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  bindGroup: GPUBindGroup,
  threads: number,
): void {
  const groups = Math.ceil(threads / WORKGROUP_THREADS);
  const rows = Math.ceil(groups / MAX_WORKGROUPS);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(Math.ceil(groups / rows), rows);
  pass.end();
  device.queue.submit([encoder.finish()]);
}

/** Bind group 0 of a pipeline, buffers in binding order. */
export function bindBuffers(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  buffers: readonly GPUBuffer[],
): GPUBindGroup {
  return device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
}

/** Bind group 0 of a pipeline that does not use every binding: the bindings it uses, by number. */
export function bindNumbered(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  buffers: Readonly<Record<number, GPUBuffer>>,
): GPUBindGroup {
  return device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: Object.entries(buffers).map(([binding, buffer]) => ({
      binding: Number(binding),
      resource: { buffer },
    })),
  });
}

/** The first `bytes` bytes (a multiple of 4) of a buffer with usage COPY_SRC, as words. */
export async function readWords(
  device: GPUDevice,
  buffer: GPUBuffer,
  bytes: number,
): Promise<Uint32Array<ArrayBuffer>> {
  const staging = device.createBuffer({
    size: bytes,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  });
  try {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    return new Uint32Array(staging.getMappedRange().slice(0));
  } finally {
    staging.destroy();
  }
}
