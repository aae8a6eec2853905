import {
  type CalibrationFile,
  type CalibrationStore,
  readCalibration,
  writeCalibration,
} from "../../calibration/calibrator.ts";

/** Keeps calibrations as the text that would be on disk. */
export class MemoryStore implements CalibrationStore {
  readonly #texts = new Map<string, string>();

  async load(key: string): Promise<CalibrationFile | undefined> {
    const text = this.#texts.get(key);
    return text === undefined ? undefined : await readCalibration(text, key);
  }

  async save(key: string, file: CalibrationFile): Promise<void> {
    this.#texts.set(key, await writeCalibration(file));
  }
}
