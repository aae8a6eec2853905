/**
 * Things drawn at random, the same for everyone who draws under the same name.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** Draws from the digests of a name and a count. */
export class Draw {
  #count = 0;

  /** @param name of what is drawn: other names draw other things */
  constructor(private readonly name: string) {}

  /** A whole number from 0 to below `most`, which is at most 2^32. */
  below(most: number): number {
    return Math.floor(this.#bytes().readUInt32BE(0) / 2 ** 32 * most);
  }

  /** One of some values. */
  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** A UUID of version 4 (RFC 9562, section 5.4). */
  uuid(): string {
    const bytes = this.#bytes();
    bytes[6] = 0x40 | (bytes[6]! & 0x0f);
    bytes[8] = 0x80 | (bytes[8]! & 0x3f);
    return bytes.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  #bytes() {
    return createHash("sha256").update(`${this.name}\n${this.#count++}`).digest();
  }
}
