/**
 * Large weights on disk as a session maps them, so that they are restored once and not for every run.
 *
 * @module
 */
import type { WeightsFile, WeightsPlace } from "../../engine/devices/weights_file.ts";
import type { CacheFolder } from "./cache_folder.ts";

/** The weights of one model. */
export class WeightsCache implements WeightsPlace {
  /** @param model what the user called it, for who lists what is kept */
  constructor(private readonly folder: CacheFolder, private readonly model: string) {}

  /** The file that is kept under a key, or a new one; undefined when there is no room for it. */
  async file(
    key: string,
    bytes: number,
    blocks: () => AsyncIterable<Uint8Array>,
  ): Promise<WeightsFile | undefined> {
    const header = {
      kind: "weights" as const,
      key,
      model: this.model,
      device: "cpu",
      payloadBytes: bytes,
      facts: {},
    };
    const kept = await this.folder.locate("weights", key, bytes);
    if (kept === undefined && !await this.folder.write(header, blocks())) return undefined;
    const place = kept ?? await this.folder.locate("weights", key, bytes);
    // It stays for the next run.
    return place && { ...place, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
}
