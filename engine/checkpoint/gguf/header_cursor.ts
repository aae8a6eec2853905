/**
 * Reading the values of a GGUF header one after the other.
 *
 * This is done here and not by the package `@huggingface/gguf` (0.4.6), which drops U+FEFF from the
 * start of a text (alone it is a token of Llama 2 and of Mistral), cuts a text that goes on beyond
 * the chunk it holds, and takes a file that ends early as going on with zeros.
 *
 * @module
 */

import { UserError } from "../../../errors.ts";
import type { ModelFile } from "../model_file.ts";

/** A value of the metadata; 64-bit integers become numbers. */
export type GgufValue = string | number | boolean | readonly GgufValue[];

/** Longest header accepted, in bytes: ten times that of the largest vocabularies. */
export const MAX_HEADER_BYTES: number = 2 ** 28;

/** Deepest list of lists. No metadata in use has any. */
const MAX_DEPTH = 4;

/** Longest list: eighty times the largest vocabulary in use. */
const MAX_LENGTH = 2 ** 24;

/** A place in the first bytes of a file; every read goes on from it. */
export class HeaderCursor {
  /** Bytes read so far. */
  at = 0;
  /** What is being read, for errors. */
  reading = "it";
  /** How many bytes it would take to go on, where there are fewer; else 0. */
  lacking = 0;
  readonly #view: DataView<ArrayBuffer>;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  /** See the class; `bytes` are the file's first. */
  constructor(
    private readonly file: ModelFile,
    private readonly bytes: Uint8Array<ArrayBuffer>,
  ) {
    this.#view = new DataView(bytes.buffer);
  }

  /** An error that says what is wrong with what is being read. */
  broken(what: string): UserError {
    return new UserError(`In the header of ${this.file.path} ${this.reading} ${what}`);
  }

  /** An unsigned integer of 32 bits. */
  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** An unsigned integer of 64 bits, rounded where a number cannot hold it. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  /** A text: its length in bytes, and UTF-8. */
  text(): string {
    const length = this.uint64();
    const start = this.#take(length);
    try {
      return this.#decoder.decode(this.bytes.subarray(start, start + length));
    } catch {
      throw this.broken("holds a text that is not UTF-8");
    }
  }

  /** A value of a type that the file names by a number (ggml-org/ggml, docs/gguf.md, `gguf_metadata_value_type`). */
  value(type: number): GgufValue {
    return this.#value(type, 0);
  }

  #value(type: number, depth: number): GgufValue {
    const view = this.#view;
    switch (type) {
      case 0:
        return view.getUint8(this.#take(1));
      case 1:
        return view.getInt8(this.#take(1));
      case 2:
        return view.getUint16(this.#take(2), true);
      case 3:
        return view.getInt16(this.#take(2), true);
      case 4:
        return this.uint32();
      case 5:
        return view.getInt32(this.#take(4), true);
      case 6:
        return view.getFloat32(this.#take(4), true);
      case 7:
        return view.getUint8(this.#take(1)) !== 0;
      case 8:
        return this.text();
      case 9:
        return this.#list(depth);
      case 10:
        return this.uint64();
      case 11:
        return Number(view.getBigInt64(this.#take(8), true));
      case 12:
        return view.getFloat64(this.#take(8), true);
      default:
        throw this.broken(`has the type ${type}; types 0 to 12 are known`);
    }
  }

  #list(depth: number): GgufValue[] {
    if (depth === MAX_DEPTH) throw this.broken(`nests more than ${MAX_DEPTH} lists`);
    const type = this.uint32();
    const count = this.uint64();
    if (count > MAX_LENGTH) {
      throw this.broken(`has ${count} elements; at most ${MAX_LENGTH} are read`);
    }
    // Every element takes a byte at least: a count beyond the file ends here and takes no memory.
    this.#check(this.at + count);
    const list: GgufValue[] = [];
    for (let i = 0; i < count; i++) list.push(this.#value(type, depth + 1));
    return list;
  }

  /** Goes on by so many bytes and returns where they start. */
  #take(count: number): number {
    const start = this.at;
    this.#check(start + count);
    this.at = start + count;
    return start;
  }

  #check(needed: number): void {
    if (needed <= this.bytes.length) return;
    const { path, size } = this.file;
    this.lacking = needed;
    throw new UserError(
      `${path} is truncated or broken: ${this.reading} goes on to byte ${needed}, and ${
        needed > size ? `the file has ${size}` : `a header has ${MAX_HEADER_BYTES} at most`
      }`,
    );
  }
}
