/**
 * How fast devices run models of a size, on disk beside the references.
 *
 * @module
 */
import { type DeviceTimes, fasterOf, type TimesStore } from "../../engine/devices/faster_device.ts";
import type { CacheFolder } from "./cache_folder.ts";

/** The times of this machine. */
export class TimesCache implements TimesStore {
  /** @param model what the user called the first model of that size, for who lists what is kept */
  constructor(private readonly folder: CacheFolder, private readonly model: string) {}

  /** What was kept under a key; undefined when there is nothing, or it is damaged. */
  async load(key: string): Promise<DeviceTimes | undefined> {
    return await this.folder.read(
      "timings",
      key,
      () => true,
      ({ header: { facts: { cpu, webgpu } } }) =>
        isTime(cpu) && isTime(webgpu) ? { cpu, webgpu } : undefined,
    );
  }

  /** Keeps what was measured; what cannot be kept costs the entry, not the run. */
  async save(key: string, times: DeviceTimes): Promise<void> {
    await this.folder.write({
      kind: "timings",
      key,
      model: this.model,
      device: fasterOf(times),
      payloadBytes: 0,
      facts: { ...times },
    }, []);
  }
}

function isTime(value: number | undefined): value is number {
  return value !== undefined && value > 0;
}
