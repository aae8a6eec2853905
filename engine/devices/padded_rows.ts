/**
 * Sizes of a pass that come again: what is recorded of one is of use for the next of the same size.
 *
 * @module
 */
import { type ForwardInput, MASKED } from "../engine.ts";
import type { KvShape } from "../../quant/tensor.ts";

/** Rows are filled up to a multiple of it. */
const ROWS = 8;

/** Of so many entries, none is added beyond the next multiple of a 16th to an 8th of them. */
const SIXTEENTHS = 16;

/** Entries that a past has room for, at least so many: one of few sizes. */
export function roomFor(entries: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(entries / SIXTEENTHS)) + 1);
  return step * Math.ceil(entries / step);
}

/**
 * The same pass with more rows, in front, that see nothing but themselves; the last rows are its own.
 * One row stays one, and a pass whose tensors are asked for stays as it is.
 */
export function paddedRows<T extends KvShape>(input: ForwardInput<T>): ForwardInput<T> {
  const { ids, positions, past, mask, maskLayers, logits, outputs = "none" } = input;
  const own = ids.length;
  const more = outputs === "none" && own > 1 ? ROWS * Math.ceil(own / ROWS) - own : 0;
  if (more === 0) return input;
  const rows = own + more;
  const { capacity } = past[0]!.key;
  const padded = new Float32Array(maskLayers * rows * (capacity + rows)).fill(MASKED);
  for (let l = 0; l < maskLayers; l++) {
    for (let row = 0; row < rows; row++) {
      const to = (l * rows + row) * (capacity + rows);
      if (row < more) {
        padded[to + capacity + row] = 0;
        continue;
      }
      const from = (l * own + row - more) * (capacity + own);
      padded.set(mask.subarray(from, from + capacity), to);
      padded.set(mask.subarray(from + capacity, from + capacity + own), to + capacity + more);
    }
  }
  return {
    ...input,
    ids: [...new Array(more).fill(ids[0]), ...ids],
    positions: [...new Array(more).fill(positions[0]), ...positions],
    mask: padded,
    // All rows where all were asked for: how many is a size, too.
    logits: logits === own ? rows : logits,
  };
}
