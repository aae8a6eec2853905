/**
 * What was learned offline, on disk beside the references.
 *
 * @module
 */
import {
  type CalibrationFile,
  type CalibrationStore,
  readCalibration,
  writeCalibration,
} from "../../calibration/calibrator.ts";
import type { CacheFolder } from "./cache_folder.ts";
import type { EntryHeader } from "./entry_file.ts";

/** The calibrations of one model on one device. */
export class CalibrationCache implements CalibrationStore {
  /** @param origin what learned them, for who lists them */
  constructor(
    private readonly folder: CacheFolder,
    private readonly origin: Pick<EntryHeader, "model" | "device">,
  ) {}

  /** What was kept under a key; undefined when there is nothing, or it is damaged. */
  async load(key: string): Promise<CalibrationFile | undefined> {
    return await this.folder.read(
      "calibrations",
      key,
      () => true,
      ({ payload }) => readCalibration(payload, key),
    );
  }

  /** Keeps a file; what cannot be kept costs the entry, not the run. */
  async save(key: string, file: CalibrationFile): Promise<void> {
    const payload = await writeCalibration(file);
    await this.folder.write(
      {
        kind: "calibrations",
        key,
        ...this.origin,
        payloadBytes: payload.length,
        facts: {},
      },
      [payload],
    );
  }
}
