import {
  type CalibrationFile,
  type CalibrationStore,
  readCalibration,
  writeCalibration,
} from "../../calibration/calibrator.ts";

/** Keeps calibrations as the bytes that would be on disk. */
export class MemoryStore implements CalibrationStore {
  readonly #files = new Map<string, Uint8Array<ArrayBuffer>>();

  get size(): number {
    return this.#files.size;
  }

  async load(key: string): Promise<CalibrationFile | undefined> {
    const bytes = this.#files.get(key);
    return bytes === undefined ? undefined : await readCalibration(bytes, key);
  }

  async save(key: string, file: CalibrationFile): Promise<void> {
    this.#files.set(key, await writeCalibration(file));
  }
}
