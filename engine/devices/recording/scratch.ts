/**
 * Memory that recorded runs share: nothing in it outlives a run.
 *
 * @module
 */

const USAGE = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST |
  GPUBufferUsage.INDIRECT;

/** Bytes that are filled at once. */
const FILLED = 2 ** 20;

/** No number in float32 and in the halves of it in float16, and far beyond every index. */
const NO_NUMBER = 0x7fff7fff;

/** Buffers by their sizes. */
export class Scratch {
  readonly #bySize = new Map<number, GPUBuffer[]>();

  constructor(private readonly device: GPUDevice) {}

  /** One of the buffers of a size, different ones for different numbers. */
  buffer(size: number, number: number): GPUBuffer {
    let buffers = this.#bySize.get(size);
    if (buffers === undefined) this.#bySize.set(size, buffers = []);
    return buffers[number] ??= this.device.createBuffer({
      label: "scratch of recorded runs",
      size,
      usage: USAGE,
    });
  }

  /** Fills buffers with what no kernel can take for a result. */
  spoil(buffers: Iterable<GPUBuffer>): void {
    const { device } = this;
    const nothing = device.createBuffer({ size: FILLED, usage: USAGE });
    device.queue.writeBuffer(nothing, 0, new Uint32Array(FILLED / 4).fill(NO_NUMBER));
    const encoder = device.createCommandEncoder();
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.size; at += FILLED) {
        encoder.copyBufferToBuffer(nothing, 0, buffer, at, Math.min(FILLED, buffer.size - at));
      }
    }
    device.queue.submit([encoder.finish()]);
    nothing.destroy();
  }

  /** Frees what no run needs that is kept. */
  keep(used: ReadonlySet<GPUBuffer>): void {
    for (const buffers of this.#bySize.values()) {
      while (buffers.length > 0 && !used.has(buffers.at(-1)!)) buffers.pop()!.destroy();
    }
  }

  free(): void {
    for (const buffer of [...this.#bySize.values()].flat()) buffer.destroy();
    this.#bySize.clear();
  }
}
