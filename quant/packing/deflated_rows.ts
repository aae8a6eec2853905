/**
 * Rows of bytes that are kept as one DEFLATE stream (RFC 1951), made and read by the platform's zlib.
 * Byte `i` of all rows comes before byte `i + 1`, because bytes of one place are more alike than
 * neighbours. Where DEFLATE makes nothing shorter, as of a few rows, the bytes are kept as they are. The
 * stream is that of all rows, however they came: it is made anew when rows have been added and something
 * asks for it.
 *
 * @module
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";

/**
 * See the module.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { DeflatedRows } from "./deflated_rows.ts";
 *
 * const rows = new DeflatedRows(2);
 * for (let i = 0; i < 500; i++) rows.add(Uint8Array.of(7, i));
 * assertEquals([...rows.all().subarray(0, 4)], [7, 0, 7, 1]);
 * assert(rows.bytesOf(500) < 500 && rows.bytesOf(10) < rows.bytesOf(500));
 * ```
 */
export class DeflatedRows {
  #stream: Uint8Array = new Uint8Array(0);
  /** Rows of the stream. */
  #count = 0;
  #waiting: Uint8Array[] = [];
  /** What the stream holds, once somebody has asked for it. */
  #rows: Uint8Array | undefined;
  /** Bytes of the streams of so many rows, as far as somebody asked. */
  readonly #sizes = new Map<number, number>();

  /** @param rowBytes of each row; 0 for rows of which nothing is kept */
  constructor(private readonly rowBytes: number) {}

  /** Takes over whole rows behind the others. */
  add(rows: Uint8Array): void {
    this.#waiting.push(rows);
  }

  /** All rows, one behind the other; they are inflated once, until further ones are added. */
  all(): Uint8Array {
    this.#close();
    return this.#rows ??= inRows(this.#planes(), this.rowBytes);
  }

  /** Bytes of the stream of the first `count` rows, at most those that were added. */
  bytesOf(count: number): number {
    this.#close();
    let bytes = this.#sizes.get(count);
    if (bytes === undefined) {
      const rows = this.all().subarray(0, count * this.rowBytes);
      this.#sizes.set(count, bytes = deflated(rows, this.rowBytes).length);
    }
    return bytes;
  }

  /** The stream of all rows. */
  stream(): Uint8Array {
    this.#close();
    return this.#stream;
  }

  /** Bytes of one place behind those of another. */
  #planes(): Uint8Array {
    if (this.#stream.length === this.#count * this.rowBytes) return this.#stream;
    return new Uint8Array(inflateRawSync(this.#stream));
  }

  /** Brings what waits into the stream. */
  #close(): void {
    if (this.#waiting.length === 0 || this.rowBytes === 0) return;
    const added = this.#waiting;
    this.#waiting = [];
    const parts = [this.all(), ...added];
    const rows = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      rows.set(part, at);
      at += part.length;
    }
    this.#stream = deflated(rows, this.rowBytes);
    this.#rows = undefined;
    this.#count = rows.length / this.rowBytes;
    this.#sizes.set(this.#count, this.#stream.length);
  }
}

function deflated(rows: Uint8Array, rowBytes: number): Uint8Array {
  if (rows.length === 0) return new Uint8Array(0);
  const count = rows.length / rowBytes;
  const planes = new Uint8Array(rows.length);
  for (let r = 0, at = 0; r < count; r++) {
    for (let i = 0; i < rowBytes; i++) planes[i * count + r] = rows[at++]!;
  }
  const stream = new Uint8Array(deflateRawSync(planes));
  return stream.length < planes.length ? stream : planes;
}

function inRows(planes: Uint8Array, rowBytes: number): Uint8Array {
  const rows = new Uint8Array(planes.length);
  const count = planes.length / rowBytes;
  for (let i = 0, at = 0; i < rowBytes; i++) {
    for (let r = 0; r < count; r++) rows[r * rowBytes + i] = planes[at++]!;
  }
  return rows;
}
