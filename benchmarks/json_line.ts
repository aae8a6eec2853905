/**
 * One object a line.
 *
 * @module
 */
import { duplicateKey } from "../duplicate_key.ts";
import { BenchmarkError } from "./benchmark_error.ts";
import { shownValue } from "./shown_value.ts";

/** What files begin with that are packed, and are read as lines by mistake. */
const PACKED = {
  gzip: [0x1f, 0x8b],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  ZIP: [0x50, 0x4b, 0x03, 0x04],
} as const;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * What a line holds; undefined for a blank one.
 *
 * @param where file and line, the start of every error message
 * @param most bytes that it may have
 * @throws {BenchmarkError} when it is too long, no UTF-8 text or no JSON, or names a key twice
 */
export function jsonLine(bytes: Uint8Array, where: string, most: number): unknown {
  if (bytes.length > most) {
    throw new BenchmarkError(
      `${where}: the line has more than ${most} bytes; an example has fewer, ` +
        `unless --data-line-bytes says otherwise`,
    );
  }
  let line: string;
  try {
    line = decoder.decode(bytes);
  } catch {
    const packed = Object.entries(PACKED)
      .find(([, magic]) => magic.every((byte, i) => bytes[i] === byte))?.[0];
    throw new BenchmarkError(
      `${where}: not UTF-8 text${
        packed === undefined ? "" : `, but packed with ${packed}; unpack it`
      }`,
    );
  }
  return line.trim() === "" ? undefined : jsonText(line, where);
}

/**
 * What a text of JSON holds.
 *
 * @param where the start of every error message
 * @throws {BenchmarkError} when it is none, or names a key twice
 */
export function jsonText(text: string, where: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BenchmarkError(`${where}: not JSON (${(error as Error).message})`);
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) {
    throw new BenchmarkError(`${where}: the key ${shownValue(twice)} occurs twice in one object`);
  }
  return value;
}

/** The lines of a text, without their ends. */
export function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  const LINE_FEED = 10;
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, from);
    const to = end < 0 ? bytes.length : end;
    yield bytes.subarray(from, to);
    from = to + 1;
  }
}
