/**
 * The matrix product behind rotations and corrections in host memory, in float64: WebAssembly with
 * vector instructions, whose sums are those of plain loops to the last bit. `multiply_rows.wat` is
 * the source of the binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { memory, multiply } from "./multiply_rows.wasm";
import { paddedTo4 } from "./rows_times_columns.ts";
import { growTo } from "./wasm_memory.ts";

/**
 * `out[r][c] = sum over i of rows[r][i] * matrix[c][i]`: rows times the transpose of a matrix.
 *
 * @param rows `[count][inner]`
 * @param matrix `[columns][inner]`
 * @param out `[count][columns]`, overwritten
 */
export function multiplyRows(
  rows: Float64Array,
  count: number,
  matrix: Float64Array,
  columns: number,
  inner: number,
  out: Float64Array,
): void {
  if (inner === 0) {
    out.fill(0, 0, count * columns);
    return;
  }
  const [width, height] = [paddedTo4(columns), paddedTo4(count)];
  const [matrixAt, outAt] = [height * inner, (height + width) * inner];
  const fourAt = outAt + height * width;
  growTo(memory, 8 * (fourAt + 4 * inner));
  // What pads rows and columns goes into sums that nobody reads.
  const floats = new Float64Array(memory.buffer);
  floats.set(rows.subarray(0, count * inner));
  floats.set(matrix.subarray(0, columns * inner), matrixAt);
  multiply(0, height, 8 * matrixAt, width, inner, 8 * outAt, 8 * fourAt);
  if (width === columns) {
    out.set(floats.subarray(outAt, outAt + count * columns));
    return;
  }
  for (let r = 0; r < count; r++) {
    const from = outAt + r * width;
    out.set(floats.subarray(from, from + columns), r * columns);
  }
}
