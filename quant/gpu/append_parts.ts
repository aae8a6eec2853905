/**
 * Buffers that grow by parts whose sizes only the device knew when they were written.
 *
 * @module
 */

/** Room for the tokens that decoding will add; a prompt's own words fill the rest exactly. */
const ROOM = 1.0625;

/** What is to be appended: the first bytes of a buffer of its own. */
export interface WaitingPart {
  readonly words: GPUBuffer;
  readonly bytes: number;
}

/**
 * Appends parts behind the `held` bytes of a buffer and destroys them. Where they do not fit, a larger
 * buffer takes the place of the old one, which is destroyed.
 *
 * @param buffer absent while nothing is held
 * @returns the buffer that holds everything; absent while there is nothing
 */
export function appendParts(
  device: GPUDevice,
  label: string,
  buffer: GPUBuffer | undefined,
  held: number,
  parts: readonly WaitingPart[],
): GPUBuffer | undefined {
  const total = parts.reduce((sum, { bytes }) => sum + bytes, held);
  const encoder = device.createCommandEncoder();
  let target = buffer;
  if (total > (buffer?.size ?? 0)) {
    target = device.createBuffer({
      label,
      size: 4 * Math.ceil(total * ROOM / 4),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    if (buffer !== undefined && held > 0) encoder.copyBufferToBuffer(buffer, 0, target, 0, held);
  }
  let at = held;
  for (const { words, bytes } of parts) {
    if (bytes > 0) encoder.copyBufferToBuffer(words, 0, target!, at, bytes);
    at += bytes;
  }
  device.queue.submit([encoder.finish()]);
  for (const { words } of parts) words.destroy();
  if (target !== buffer) buffer?.destroy();
  return target;
}
