/**
 * By how much each fed token is turned.
 *
 * @module
 */
import type { RotaryPositions } from "../../../quant/rotary_positions.ts";
import { rotaryTables } from "../../rotary.ts";

/** Tables for the positions that were asked for so far. */
export class RotaryRows {
  #positions = 0;
  #tables = { cos: new Float32Array(), sin: new Float32Array() };

  constructor(private readonly rotary: RotaryPositions) {}

  /** Cosine and sine of each pair of channels, `[positions, headDim / 2, 2]`. */
  of(positions: readonly number[]): Float32Array<ArrayBuffer> {
    const half = this.rotary.stretch.length;
    const needed = 1 + positions.reduce((most, position) => Math.max(most, position), 0);
    if (needed > this.#positions) {
      this.#positions = 2 ** Math.ceil(Math.log2(needed));
      this.#tables = rotaryTables(this.#positions, this.rotary);
    }
    const { cos, sin } = this.#tables;
    const rows = new Float32Array(2 * half * positions.length);
    let to = 0;
    for (const position of positions) {
      for (let at = position * half; at < (position + 1) * half; at++) {
        rows[to++] = cos[at]!;
        rows[to++] = sin[at]!;
      }
    }
    return rows;
  }
}
