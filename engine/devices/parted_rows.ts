/**
 * The steps of a pass as sequences of one token each, for a GPU.
 *
 * Its attention has two ways: with fewer rows than 32 the past is looked at by many workgroups at once,
 * with more by one for each head, since a prompt has rows enough to keep a device busy. The steps of a
 * replay are many rows too, but none of them sees another: they are as well so many sequences with the
 * same past. Each has a copy of it then; making those costs a twentieth of what they save.
 *
 * @module
 */
import { type ForwardInput, MASKED, type ModelShape } from "../engine.ts";
import type { KvShape } from "../../quant/tensor.ts";

/** Rows that need no parting: onnxruntime, contrib_ops/webgpu/bert/flash_attention.cc, `use_split_reduce`. */
const MOST_ROWS = 31;

/** Bytes that copies of the past may take. */
const MOST_COPIED = 2 ** 31;

/** The fed tokens of a run, in parts. */
export interface PartedRows {
  readonly parts: number;
  /** Of each part. */
  readonly rows: number;
  /** Masks of the layers, or one for all, `[parts, rows, P + rows]`. */
  readonly masks: readonly Float32Array<ArrayBuffer>[];
}

/**
 * Parts the fed tokens of a run where that is faster and the same; else they are one part.
 *
 * @param largest bytes of the largest tensor that the device takes
 */
export function partedRows(
  input: ForwardInput<KvShape>,
  shape: ModelShape,
  largest: number,
): PartedRows {
  const { ids, past, mask, maskLayers, outputs = "none" } = input;
  const fed = ids.length;
  const { capacity } = past[0]!.key;
  const size = fed * (capacity + fed);
  const masks = Array.from(
    { length: maskLayers },
    (_, l) => mask.subarray(l * size, (l + 1) * size),
  );
  const { layers, kvHeads, headDim } = shape;
  const copied = kvHeads * headDim * Float32Array.BYTES_PER_ELEMENT * (capacity + 1) * fed;
  const apart = fed > MOST_ROWS && outputs === "none" &&
    copied <= largest && 2 * layers * copied <= MOST_COPIED &&
    masks.every((own) => seeOnlyThemselves(own, fed, capacity));
  return apart
    ? { parts: fed, rows: 1, masks: masks.map((own) => ownColumns(own, fed, capacity)) }
    : { parts: 1, rows: fed, masks };
}

/** Whether no fed token sees another. */
function seeOnlyThemselves(mask: Float32Array, fed: number, capacity: number): boolean {
  for (let row = 0; row < fed; row++) {
    const own = row * (capacity + fed) + capacity;
    for (let other = 0; other < fed; other++) {
      if (mask[own + other] !== (other === row ? 0 : MASKED)) return false;
    }
  }
  return true;
}

/** Of every row, what it sees of the past, and itself. */
function ownColumns(mask: Float32Array, fed: number, capacity: number): Float32Array<ArrayBuffer> {
  const own = new Float32Array(fed * (capacity + 1));
  for (let row = 0; row < fed; row++) {
    const from = row * (capacity + fed);
    own.set(mask.subarray(from, from + capacity), row * (capacity + 1));
  }
  return own;
}
