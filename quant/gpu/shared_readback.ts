/**
 * Reading small results of many stores back from a GPU at once: a map per store would cost a round
 * trip each, and a cache has two stores per layer.
 *
 * @module
 */
import type { BufferContents, StoredBuffer } from "../family.ts";
import { usedContents } from "../packing/used_contents.ts";
import { type WordRegion, Workbench } from "./workbench.ts";

export type { WordRegion };

/** A store that waits for words from the device. */
export interface ReadbackClient {
  regions(): readonly WordRegion[];
  /** Is given the words of its regions, in order. Must not throw. */
  accept(words: Uint32Array<ArrayBuffer>): void;
}

/** The words of some regions in host memory, one region after the other. */
export function readRegions(
  device: GPUDevice,
  regions: readonly WordRegion[],
): Promise<Uint32Array<ArrayBuffer>> {
  return Workbench.of(device).read(regions);
}

/** The part of a store's buffers that is in use. */
export async function readUsed(
  device: GPUDevice,
  declared: readonly StoredBuffer[],
  buffers: Readonly<Record<string, GPUBuffer | undefined>>,
): Promise<BufferContents[]> {
  const words: Record<string, Uint32Array<ArrayBuffer>> = {};
  for (const { role, bytes } of declared) {
    const buffer = buffers[role];
    words[role] = buffer === undefined
      ? new Uint32Array(0)
      : await readRegions(device, [{ buffer, at: 0, words: Math.ceil(bytes / 4) }]);
  }
  return usedContents(declared, words);
}

/** The clients of one cache. */
export class Readbacks {
  readonly #waiting = new Set<ReadbackClient>();
  #serving: Promise<void> = Promise.resolve();

  /** The one in a store's `Source.shared`; made when it is first asked for. */
  static in(shared: Map<string, unknown>): Readbacks {
    let own = shared.get("readbacks");
    if (!(own instanceof Readbacks)) shared.set("readbacks", own = new Readbacks());
    return own as Readbacks;
  }

  /** Notes that a client has work on the device whose results it needs. */
  await(client: ReadbackClient): void {
    this.#waiting.add(client);
  }

  /** Forgets a client that is going away. */
  drop(client: ReadbackClient): void {
    this.#waiting.delete(client);
  }

  /** Serves every client that waits, if `client` is one of them or is being served. */
  async settle(device: GPUDevice, client: ReadbackClient): Promise<void> {
    await this.#serving;
    if (!this.#waiting.has(client)) return;
    this.#serving = this.#serve(device);
    await this.#serving;
  }

  async #serve(device: GPUDevice): Promise<void> {
    const clients = [...this.#waiting];
    this.#waiting.clear();
    const regions = clients.map((c) => c.regions());
    const words = await readRegions(device, regions.flat());
    let at = 0;
    for (const [i, c] of clients.entries()) {
      const count = regions[i]!.reduce((sum, region) => sum + region.words, 0);
      c.accept(words.slice(at, at + count));
      at += count;
    }
  }
}
