/**
 * Calibration texts of the user's own: a text file, or JSON lines.
 *
 * @module
 */
import { resolve } from "node:path";
import { UserError } from "../errors.ts";
import { duplicateKey } from "../duplicate_key.ts";
import type { CalibrationText } from "./calibration_set.ts";

/** Bytes of a file at most: far more than any calibration looks at. */
const MOST_BYTES = 64 * 2 ** 20;
/** Characters of a piece of a text: one or two thousand tokens. */
const PIECE = 6000;

/** Calibration data that cannot be used; the message is one sentence. */
export class CalibrationDataError extends UserError {
  override name = "CalibrationDataError";
}

/**
 * Reads a file. One that ends in `.jsonl` has an object a line: `text`, or `prompt` and `target` (the
 * user's turn and the reply), and `kind` and `_id` if they are known. Any other is one text. A long
 * text is cut into pieces, at the ends of lines or words.
 *
 * @throws {CalibrationDataError} naming the file, and the line that is wrong
 */
export async function loadCalibrationData(path: string): Promise<CalibrationText[]> {
  const content = await readText(path);
  if (!path.toLowerCase().endsWith(".jsonl")) {
    return nonEmpty(path, pieces(content, { id: "text", kind: "text" }));
  }
  const lines = content.split(/\r?\n/);
  return nonEmpty(
    path,
    lines.flatMap((line, i) =>
      line.trim() === "" ? [] : textsOf(line, `${path}, line ${i + 1}`, i)
    ),
  );
}

async function readText(path: string): Promise<string> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw failure(path, error);
    throw new CalibrationDataError(
      `There is no calibration data "${path}" at ${resolve(path)}`,
    );
  }
  // A pipe or a device may have no end.
  if (!info.isFile) {
    throw new CalibrationDataError(
      `Calibration data "${path}" is no file; expected a text file or JSON lines`,
    );
  }
  if (info.size > MOST_BYTES) {
    throw new CalibrationDataError(
      `Calibration data "${path}" has ${info.size} bytes; expected at most ${MOST_BYTES}`,
    );
  }
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    throw failure(path, error);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new CalibrationDataError(`Calibration data "${path}" is not UTF-8 text`);
  }
}

function failure(path: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return new CalibrationDataError(
    `Calibration data "${path}" cannot be read: ${error.message}`,
  );
}

function nonEmpty(path: string, texts: CalibrationText[]): CalibrationText[] {
  if (texts.length > 0) return texts;
  throw new CalibrationDataError(
    `Calibration data "${path}" holds no text; expected at least one`,
  );
}

/** The texts of one line. */
function textsOf(line: string, place: string, index: number): CalibrationText[] {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new CalibrationDataError(`${capital(place)} is not JSON; expected one object`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CalibrationDataError(
      `${capital(place)} is ${shown(value)}; expected an object with text, or prompt and target`,
    );
  }
  const twice = duplicateKey(line);
  if (twice !== undefined) {
    throw new CalibrationDataError(`${capital(place)} has ${shown(twice)} twice; expected it once`);
  }
  const given = value as Record<string, unknown>;
  for (const name of ["_id", "kind", "text", "prompt", "target"]) {
    if (given[name] === undefined || typeof given[name] === "string") continue;
    throw new CalibrationDataError(
      `${capital(place)}: ${name} is ${shown(given[name])}; expected text`,
    );
  }
  const { _id: id = `line-${index + 1}`, kind = "own", text, prompt, target } = given as Partial<
    Record<string, string>
  >;
  if (text !== undefined && prompt === undefined && target === undefined) {
    return pieces(text, { id, kind });
  }
  if (text === undefined && prompt !== undefined && target !== undefined) {
    return [{ id, kind, prompt, target }];
  }
  throw new CalibrationDataError(
    `${capital(place)} has ${
      ["text", "prompt", "target"].filter((name) => given[name] !== undefined).join(" and ") ||
      "neither"
    }; expected either text, or prompt and target`,
  );
}

/** A text as pieces that are not too long, none of them blank. */
function pieces(text: string, { id, kind }: { id: string; kind: string }): CalibrationText[] {
  const found: CalibrationText[] = [];
  for (let from = 0; from < text.length;) {
    const to = endOfPiece(text, from);
    const target = text.slice(from, to);
    if (target.trim() !== "") found.push({ id: `${id}-${found.length}`, kind, target });
    from = to;
  }
  return found;
}

function endOfPiece(text: string, from: number): number {
  const most = from + PIECE;
  if (most >= text.length) return text.length;
  for (const gap of ["\n", " "]) {
    const at = text.lastIndexOf(gap, most - 1);
    if (at > from + PIECE / 2) return at + 1;
  }
  // Not through the middle of a character of two halves.
  return /[\uD800-\uDBFF]/.test(text[most - 1]!) ? most - 1 : most;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function capital(place: string): string {
  return `Calibration data ${place}`;
}
