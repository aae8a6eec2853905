/**
 * Calibrations on disk: one JSON document, the arrays in base64. The same entries are kept between
 * runs (one document each, trusted only when complete) and in the file of `--calibration` (one
 * document for a whole run, refused when damaged).
 *
 * @module
 */
import { basename, dirname, resolve } from "node:path";
import { tryFolder, writeTogether } from "../files/write_together.ts";
import type { CalibrationStatistics } from "../policies/calibration_statistics.ts";
import type { Calibration, CalibrationArray } from "../quant/calibration.ts";
import { UserError } from "../errors.ts";
import { sha256 } from "../engine/digest.ts";

const FORMAT = "kvreplay calibration 3";

/** A calibration file that cannot be used; the message is one sentence. */
export class CalibrationError extends UserError {
  override name = "CalibrationError";
}

/** Something learned from the calibration set, and what it cost. */
export interface Learned<V> {
  readonly value: V;
  /** Wall time of learning it, in seconds. */
  readonly seconds: number;
  /** Wall time of running the calibration set through the model, in seconds. */
  readonly samplesSeconds: number;
}

/** A family's calibration of one layer and kind. */
export interface CalibrationEntry extends Learned<Calibration> {
  /** The settings it was learned for, as JSON. */
  readonly settings: string;
}

/** All calibrations of a run. */
export interface CalibrationFile {
  /** Fingerprint of the engine that ran the set. */
  readonly engine: string;
  /** SHA-256 of the calibration set's token ids. */
  readonly set: string;
  readonly entries: readonly CalibrationEntry[];
  readonly statistics?: Learned<CalibrationStatistics>;
}

const ARRAYS = { f32: Float32Array, f16: Float16Array, i32: Int32Array } as const;

function typeOf(array: CalibrationArray): keyof typeof ARRAYS {
  return array instanceof Float32Array ? "f32" : array instanceof Float16Array ? "f16" : "i32";
}

/** A file as text. */
export async function writeCalibration(file: CalibrationFile): Promise<string> {
  const body = JSON.stringify({
    ...file,
    entries: file.entries.map((entry) => ({
      ...entry,
      value: Object.fromEntries(
        Object.entries(entry.value).map(([name, array]) => {
          const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
          return [name, { type: typeOf(array), data: bytes.toBase64() }];
        }),
      ),
    })),
  });
  return JSON.stringify({ format: FORMAT, sha256: await sha256(body), body });
}

/**
 * A file from its text.
 *
 * @throws {CalibrationError} when it is damaged, or no calibration file
 */
export async function readCalibration(text: string, name: string): Promise<CalibrationFile> {
  let outer: { format?: unknown; sha256?: unknown; body?: unknown };
  try {
    outer = JSON.parse(text);
  } catch {
    throw new CalibrationError(`Calibration file "${name}" is not JSON`);
  }
  if (outer?.format !== FORMAT || typeof outer.body !== "string") {
    throw new CalibrationError(
      `Calibration file "${name}" has the format ${
        JSON.stringify(outer?.format)
      }; expected "${FORMAT}"`,
    );
  }
  if (outer.sha256 !== await sha256(outer.body)) {
    throw new CalibrationError(
      `Calibration file "${name}" is damaged: its contents do not match their SHA-256`,
    );
  }
  const body = JSON.parse(outer.body);
  return {
    ...body,
    entries: body.entries.map(
      (entry: { value: Record<string, { type: keyof typeof ARRAYS; data: string }> }) => ({
        ...entry,
        value: Object.fromEntries(
          Object.entries(entry.value).map(([name, { type, data }]) => [
            name,
            new ARRAYS[type](Uint8Array.fromBase64(data).buffer),
          ]),
        ),
      }),
    ),
  };
}

/**
 * Reads the file of `--calibration`.
 *
 * @throws {CalibrationError} when there is none, or it cannot be used
 */
export async function loadCalibrationFile(path: string): Promise<CalibrationFile> {
  if (!await isFileThere(path)) {
    throw new CalibrationError(`There is no calibration file "${path}" at ${resolve(path)}`);
  }
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw failure("read", path, error);
  }
  return await readCalibration(text, path);
}

/**
 * Whether there is a file to read; where there is none, that one can be written.
 *
 * @throws {CalibrationError} when neither can be done
 */
export async function isCalibrationThere(path: string): Promise<boolean> {
  const isThere = await isFileThere(path);
  if (!isThere) checkWritable(path);
  return isThere;
}

async function isFileThere(path: string): Promise<boolean> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw failure("read", path, error);
  }
  // A pipe or a device may have no end, and must not be replaced by a file.
  if (info.isFile) return true;
  throw new CalibrationError(`Calibration file "${path}" is no file; expected one, or a new name`);
}

/** So that a run that could not keep what it learned fails before it starts. */
function checkWritable(path: string): void {
  try {
    tryFolder(dirname(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw failure("written", path, error);
    throw new CalibrationError(
      `Calibration file "${path}" cannot be written: there is no folder ${resolve(dirname(path))}`,
    );
  }
}

function failure(done: string, path: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  // What Deno says of a device, whatever is allowed.
  const reason = /^Requires all access/.test(error.message)
    ? "it belongs to the system; expected a file of one's own"
    : error.message;
  return new CalibrationError(`Calibration file "${path}" cannot be ${done}: ${reason}`);
}

/**
 * Writes a file, complete or not at all.
 *
 * @throws {CalibrationError} when it cannot be written
 */
export async function saveCalibrationFile(path: string, file: CalibrationFile): Promise<void> {
  const text = await writeCalibration(file);
  try {
    writeTogether(dirname(path), { [basename(path)]: text });
  } catch (error) {
    throw failure("written", path, error);
  }
}

/** Where calibrations are kept between runs, one document per key. */
export interface CalibrationStore {
  /** What was kept under a key; undefined when there is nothing, or nothing that can be used. */
  load(key: string): Promise<CalibrationFile | undefined>;
  /** Keeps a document; what cannot be kept costs the entry, not the run. */
  save(key: string, file: CalibrationFile): Promise<void>;
}
