/**
 * The corrector's inner loops in WebAssembly with vector instructions, to the last bit what
 * `squat_corrector_cpu.ts` gives entry by entry. `squat_group.wat` is the source of the binary beside
 * it; a test assembles it anew and compares.
 *
 * @module
 */
import { scaleOf, zeroOf } from "../../stores/affine/affine_group.ts";
import { growTo } from "../../numerics/wasm_memory.ts";
import { roundToHalf } from "../../packing/half.ts";
import { correct, ends, memory } from "./squat_group.wasm";
import type { CorrectionBlock, SquatSettings } from "./squat_settings.ts";

/** Bounds of what is passed on and of what comes of it. */
export interface CorrectionBounds {
  readonly error: number;
  readonly value: number;
}

/** Numbers of channels are multiples of this. */
const LANES = 8;

/** Codes beyond this, before they are clamped, are not those of the kernels. */
const MOST_CODE = 2 ** 30;

/** Whether the kernels take these blocks. */
export function correctsInKernels(
  blocks: readonly CorrectionBlock[],
  blockChannels: number,
): boolean {
  return [blockChannels, ...blocks.map(({ later }) => later)].every((n) => n % LANES === 0);
}

/**
 * Corrects the channels behind one block, in place.
 *
 * @param rows one head and group of tokens, `[groupSize][headDim]`
 * @param matrix `[channels of the block][later channels]`
 * @returns false, with nothing changed, where entries are too far from their zero point
 */
export function correctBlock(
  rows: Float32Array,
  headDim: number,
  { firstChannel, later }: CorrectionBlock,
  width: number,
  matrix: Float64Array,
  topCode: number,
  rule: SquatSettings,
  bounds: CorrectionBounds,
): boolean {
  const count = rows.length / headDim;
  const [lowsAt, highsAt, channelsAt] = [0, 4 * width, 8 * width];
  const errorsAt = channelsAt + 4 * 8 * width;
  const matrixAt = errorsAt + 8 * width;
  const rowsAt = matrixAt + matrix.byteLength;
  growTo(memory, rowsAt + rows.byteLength);
  const { buffer } = memory;
  const copy = new Float32Array(buffer, rowsAt, rows.length);
  copy.set(rows);
  const from = rowsAt + 4 * firstChannel;
  ends(from, count, 4 * headDim, width, lowsAt, highsAt);
  const lows = new Float32Array(buffer, lowsAt, width);
  const highs = new Float32Array(buffer, highsAt, width);
  const channels = new Float64Array(buffer, channelsAt, 4 * width);
  const stored = rule.paramDtype === "f16" ? roundToHalf : Math.fround;
  for (let i = 0; i < width; i++) {
    const [low, high] = [lows[i]!, highs[i]!];
    const zero = zeroOf(low, rule);
    const scale = scaleOf(zero, high, topCode, rule);
    const steps = scale > 0 && scale < Infinity ? 1 / scale : 0;
    if (!(Math.max(Math.abs(low - zero), Math.abs(high - zero)) * steps < MOST_CODE)) return false;
    channels[i] = zero;
    channels[width + i] = steps;
    channels[2 * width + i] = stored(scale);
    channels[3 * width + i] = stored(zero);
  }
  new Float64Array(buffer, matrixAt, matrix.length).set(matrix);
  correct(
    from,
    count,
    4 * headDim,
    width,
    later,
    topCode,
    bounds.error,
    bounds.value,
    channelsAt,
    matrixAt,
    errorsAt,
  );
  rows.set(copy);
  return true;
}
