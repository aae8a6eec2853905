/**
 * Codes of two bits for the components of values, in WebAssembly with vector instructions.
 * `value_codes.wat` is the source of the binary beside it; a test assembles it anew and compares.
 *
 * Amir-zsh/nova-kv@d81c77b, python/sglang/QuantKernel/oscar_rotation_clip_int2_kv.py.
 *
 * @module
 */
import { memoryViews } from "../../numerics/wasm_memory.ts";
import { toHalfBits } from "../../packing/half.ts";
import { code, memory } from "./value_codes.wasm";

/** What components differ by at least, for a scale. */
const LEAST_RANGE = Math.fround(1e-8);

/**
 * Codes rows between their extremes, once the largest components are clipped.
 *
 * @param rows `[count][channels]`, four channels or a multiple of them
 * @param unclipped magnitudes that are as large as what the others are clipped to, or larger, at least 1
 * @param codes of a row `channels / 4` bytes, the first of four codes lowest, rows `codeStep` apart
 * @param numbers scale and zero point of a row in half precision, rows `numberStep` apart
 */
export function codeValues(
  rows: Float32Array,
  count: number,
  channels: number,
  unclipped: number,
  codes: Uint8Array,
  codeStep: number,
  numbers: Uint16Array,
  numberStep: number,
): void {
  const rangesAt = 4 * count * channels;
  const largestAt = rangesAt + 8 * count;
  const codesAt = largestAt + 4 * unclipped;
  const rowCodes = channels / 4;
  const { floats, bytes } = memoryViews(memory, codesAt + count * rowCodes);
  floats.set(rows.subarray(0, count * channels));
  code(0, count, channels, largestAt, 4 * unclipped, LEAST_RANGE, codesAt, rangesAt);
  for (let t = 0, from = codesAt, range = rangesAt / 4; t < count; t++, range += 2) {
    for (let at = t * codeStep, end = at + rowCodes; at < end; at++) codes[at] = bytes[from++]!;
    numbers[t * numberStep] = toHalfBits(floats[range]!);
    numbers[t * numberStep + 1] = toHalfBits(floats[range + 1]!);
  }
}
