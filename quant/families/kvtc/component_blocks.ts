/**
 * How `kvtc` stores principal components: consecutive ones in blocks, of one type each. A token has a
 * row of whole bytes, block after block:
 *
 * - `fp8`: every component as e4m3, as it is;
 * - `int4`, `int2`: scale and lowest component of the block in half precision, then the codes, the
 *   first lowest; they count steps from the lowest component up to the largest.
 *
 * What no block holds is not stored and restored as its mean.
 *
 * @module
 */
import { roundEven } from "../../numerics/round_even.ts";
import { fromFloat8Bits, toFloat8Bits } from "../../packing/float8.ts";
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";

/** Widths of the types, the widest first. */
export const TYPE_BITS = [8, 4, 2] as const;

/** Components of a block. */
export const BLOCK_SIZES = [1, 16, 64, 256, 1024] as const;

/** Bytes of a block's scale and lowest component. */
const RANGE_BYTES = 4;

/** Components that are stored alike. */
export interface ComponentBlock {
  readonly size: number;
  /** Width of a code: 8 for e4m3. */
  readonly bits: number;
}

/** Bytes that a block takes of every token. */
export function blockBytes({ size, bits }: ComponentBlock): number {
  return bits === 8 ? size : RANGE_BYTES + Math.ceil(size * bits / 8);
}

/** Bytes of a token. */
export function rowBytes(blocks: readonly ComponentBlock[]): number {
  return blocks.reduce((sum, block) => sum + blockBytes(block), 0);
}

/** Components that blocks hold. */
export function storedComponents(blocks: readonly ComponentBlock[]): number {
  return blocks.reduce((sum, { size }) => sum + size, 0);
}

/** Scale and lowest component of a block, in half-precision bits. */
export function rangeOf(
  { size, bits }: ComponentBlock,
  components: Float32Array,
  from: number,
): { readonly scale: number; readonly lowest: number } {
  let [low, high] = [Infinity, -Infinity];
  for (let i = from; i < from + size; i++) {
    const x = components[i]!;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  const top = 2 ** bits - 1;
  return {
    scale: toHalfBits(Math.fround(Math.fround(high - low) / top)),
    lowest: toHalfBits(low),
  };
}

/** The code of a component: how many steps it is above the lowest. */
export function steppedCode(x: number, origin: number, step: number, top: number): number {
  if (step === 0) return 0;
  const steps = Math.fround(Math.fround(x - origin) / step);
  return roundEven(steps < 0 ? 0 : steps > top ? top : steps);
}

/** What a code of steps stands for. */
export function steppedValue(code: number, origin: number, step: number): number {
  return Math.fround(Math.fround(code * step) + origin);
}

/** Writes components from index `from` on, each within half precision, to bytes from `at` on, which are 0. */
export function writeBlock(
  { size, bits }: ComponentBlock,
  components: Float32Array,
  from: number,
  bytes: Uint8Array,
  at: number,
): void {
  if (bits === 8) {
    for (let i = 0; i < size; i++) bytes[at + i] = toFloat8Bits(components[from + i]!);
    return;
  }
  const { scale, lowest } = rangeOf({ size, bits }, components, from);
  bytes.set([scale & 255, scale >>> 8, lowest & 255, lowest >>> 8], at);
  const [step, origin, top] = [fromHalfBits(scale), fromHalfBits(lowest), 2 ** bits - 1];
  if (step === 0) return;
  for (let i = 0; i < size; i++) {
    const code = steppedCode(components[from + i]!, origin, step, top);
    bytes[at + RANGE_BYTES + (i * bits >>> 3)]! |= code << (i * bits & 7);
  }
}

/** Reads what `writeBlock` wrote. */
export function readBlock(
  { size, bits }: ComponentBlock,
  bytes: Uint8Array,
  at: number,
  components: Float32Array,
  to: number,
): void {
  if (bits === 8) {
    for (let i = 0; i < size; i++) components[to + i] = fromFloat8Bits(bytes[at + i]!);
    return;
  }
  const step = fromHalfBits(bytes[at]! | bytes[at + 1]! << 8);
  const origin = fromHalfBits(bytes[at + 2]! | bytes[at + 3]! << 8);
  const mask = 2 ** bits - 1;
  for (let i = 0; i < size; i++) {
    const code = bytes[at + RANGE_BYTES + (i * bits >>> 3)]! >>> (i * bits & 7) & mask;
    components[to + i] = steppedValue(code, origin, step);
  }
}
