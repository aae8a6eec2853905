/**
 * Whether a device can read buffers that a caller hands in. A kernel that cannot computes nothing, and
 * the error goes where nobody looks.
 *
 * @module
 */
import { QuantizerError } from "../quantizer_error.ts";

/**
 * Copies a word of each buffer, and waits for what the device says to that.
 *
 * @throws {QuantizerError} for a buffer that is another device's or destroyed
 */
export async function checkReadable(
  device: GPUDevice,
  buffers: readonly GPUBuffer[],
): Promise<void> {
  // Nothing is awaited between push and pop, so that the errors are of nobody else.
  device.pushErrorScope("validation");
  const probe = device.createBuffer({ size: 4, usage: GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  for (const buffer of buffers) encoder.copyBufferToBuffer(buffer, 0, probe, 0, 4);
  device.queue.submit([encoder.finish()]);
  const problem = device.popErrorScope().catch((error: Error) => error);
  probe.destroy();
  const error = await problem;
  if (error === null) return;
  throw new QuantizerError(
    `The device cannot read the tensor (${error.message}); give the device on which its buffer ` +
      `was made, and do not destroy it before`,
  );
}
