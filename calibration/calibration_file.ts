/**
 * Calibrations on disk: what was learned, its arrays as they are, and the SHA-256 of it all. The same
 * is kept between runs (one file for a model, a set and a family, trusted only when it is whole) and
 * in the file of `--calibration` (one for a whole run, refused when damaged).
 *
 * @module
 */
import { basename, dirname, resolve } from "node:path";
import { tryFolder, writeTogether } from "../files/write_together.ts";
import type { CalibrationStatistics } from "../policies/calibration_statistics.ts";
import type { Calibration } from "../quant/calibration.ts";
import { UserError } from "../errors.ts";
import { pack, PackedValueError, unpack } from "./packed_value.ts";

/**
 * First bytes of a file. The number is raised when the form changes, or what a family learns: then
 * all is learned anew.
 */
export const CALIBRATION_FORMAT = "kvreplay calibration 6";

const MAGIC = new TextEncoder().encode(`${CALIBRATION_FORMAT}\n`);
const DIGEST = 32;

/** A calibration file that cannot be used; the message is one sentence. */
export class CalibrationError extends UserError {
  override name = "CalibrationError";
}

/**
 * What was learned from.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type CalibrationSetFacts, open } from "@kvreplay/kvreplay";
 *
 * const inWords = ({ samples, tokens }: CalibrationSetFacts) => `${samples} samples, ${tokens} tokens`;
 * await using lab = await open("mini", { device: "cpu", calibrationTokens: 2000 });
 * const { calibration } = await lab.replay({ prompt: "Why?" }, "kvquant_nuq4_1pct");
 * assertEquals(calibration.map(inWords), ["2 samples, 1884 tokens"]);
 * ```
 */
export interface CalibrationSetFacts {
  /** Samples that went through the model. */
  readonly samples: number;
  /** Their tokens. */
  readonly tokens: number;
  /** SHA-256 of the token ids, in hexadecimal. */
  readonly sha256: string;
}

/** Something learned from the calibration set, and what it cost. */
export interface Learned<V> {
  readonly value: V;
  readonly set: CalibrationSetFacts;
  /** Wall time of learning it, in seconds. */
  readonly seconds: number;
  /** Wall time of running the calibration set through the model, in seconds. */
  readonly samplesSeconds: number;
}

/** A family's calibration of one layer and kind. */
export interface CalibrationEntry extends Learned<Calibration> {
  /** Name of the family. */
  readonly family: string;
  /** Layer, kind and the settings that it hangs on, as JSON (`learnedKey`). */
  readonly settings: string;
}

/** What was learned of one model and set. */
export interface CalibrationFile {
  /** Fingerprint of the engine that ran the set. */
  readonly engine: string;
  /** SHA-256 of the calibration set's token ids. */
  readonly set: string;
  readonly entries: readonly CalibrationEntry[];
  readonly statistics?: Learned<CalibrationStatistics>;
}

/** A file as bytes. */
export async function writeCalibration(file: CalibrationFile): Promise<Uint8Array<ArrayBuffer>> {
  const body = pack(file);
  const bytes = new Uint8Array(MAGIC.length + body.length + DIGEST);
  bytes.set(MAGIC);
  bytes.set(body, MAGIC.length);
  const end = bytes.length - DIGEST;
  bytes.set(await digestOf(bytes.subarray(0, end)), end);
  return bytes;
}

/**
 * A file from its bytes.
 *
 * @throws {CalibrationError} when it is damaged, or no calibration file
 */
export async function readCalibration(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
): Promise<CalibrationFile> {
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) {
    const start = new TextDecoder().decode(bytes.subarray(0, MAGIC.length)).trimEnd();
    throw new CalibrationError(
      `Calibration file "${name}" begins with ${
        JSON.stringify(start)
      }; expected "${CALIBRATION_FORMAT}": remove it, and it is made anew`,
    );
  }
  const end = bytes.length - DIGEST;
  const found = end < MAGIC.length ? undefined : await digestOf(bytes.subarray(0, end));
  if (found?.every((byte, i) => bytes[end + i] === byte) !== true) {
    throw new CalibrationError(
      `Calibration file "${name}" is damaged: its contents do not match their SHA-256`,
    );
  }
  let file: unknown;
  try {
    file = unpack(bytes.subarray(MAGIC.length, end));
  } catch (error) {
    if (!(error instanceof PackedValueError)) throw error;
    throw new CalibrationError(`Calibration file "${name}": ${error.message}`);
  }
  checkFile(file, name);
  return file;
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Whether a value from a file says what was learned from. */
export function isSetFacts(value: unknown): value is CalibrationSetFacts {
  const isCount = (count: unknown) => Number.isSafeInteger(count) && count as number > 0;
  return isObject(value) && isCount(value.samples) && isCount(value.tokens) &&
    typeof value.sha256 === "string" && /^[0-9a-f]{64}$/.test(value.sha256);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Who writes a file by hand can hash it, too. */
function checkFile(file: unknown, name: string): asserts file is CalibrationFile {
  const isLearned = (value: unknown) =>
    isObject(value) && isObject(value.value) && Number.isFinite(value.seconds) &&
    Number.isFinite(value.samplesSeconds) && isSetFacts(value.set);
  const isEntry = (value: unknown) =>
    isLearned(value) && isObject(value) && typeof value.family === "string" &&
    typeof value.settings === "string" &&
    Object.values(value.value as object).every((array) =>
      array instanceof Float32Array || array instanceof Float16Array || array instanceof Int32Array
    );
  const fits = isObject(file) && typeof file.engine === "string" && typeof file.set === "string" &&
    Array.isArray(file.entries) && file.entries.every(isEntry) &&
    (file.statistics === undefined || isLearned(file.statistics));
  if (!fits) {
    throw new CalibrationError(
      `Calibration file "${name}" holds something else than what was learned: remove it, and it is made anew`,
    );
  }
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
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    throw failure("read", path, error);
  }
  return await readCalibration(bytes, path);
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
  const bytes = await writeCalibration(file);
  try {
    writeTogether(dirname(path), { [basename(path)]: bytes });
  } catch (error) {
    throw failure("written", path, error);
  }
}

/** Where calibrations are kept between runs, one file per key. */
export interface CalibrationStore {
  /** What was kept under a key; undefined when there is nothing, or nothing that can be used. */
  load(key: string): Promise<CalibrationFile | undefined>;
  /** Keeps a file; what cannot be kept costs the entry, not the run. */
  save(key: string, file: CalibrationFile): Promise<void>;
}
