/**
 * The matrix product behind `transform` in host memory: WebAssembly with vector instructions, several
 * times faster than the same loops in TypeScript. `rows_times_columns.wat` is the source of the
 * binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { memory, multiply } from "./rows_times_columns.wasm";
import { growTo } from "./wasm_memory.ts";

/** The next multiple of 4: what `inner` and `columns` are padded to. */
export function paddedTo4(n: number): number {
  return (n + 3) & ~3;
}

/**
 * `out[r][c] = sum over i of rows[r][i] * matrix[c][i]` in float32.
 *
 * @param rows `[count][inner]`
 * @param matrix `[columns][inner]`
 * @param columns a multiple of 4
 * @param inner a multiple of 4
 * @param out `[count][columns]`, overwritten
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rowsTimesColumns } from "./rows_times_columns.ts";
 *
 * const rows = new Float32Array([1, 2, 3, 4, 0, 0, 0, 1]);
 * const columns = new Float32Array([1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 2]);
 * const out = new Float32Array(8);
 * rowsTimesColumns(rows, 2, columns, 4, 4, out);
 * assertEquals([...out], [1, 2, 10, 8, 0, 0, 1, 2]);
 * ```
 */
export function rowsTimesColumns(
  rows: Float32Array,
  count: number,
  matrix: Float32Array,
  columns: number,
  inner: number,
  out: Float32Array,
): void {
  if (inner === 0) {
    out.fill(0, 0, count * columns);
    return;
  }
  // Rows go through it in pairs.
  const height = count + count % 2;
  const [rowsAt, matrixAt] = [0, 4 * height * inner];
  const outAt = matrixAt + 4 * columns * inner;
  const bytes = outAt + 4 * height * columns;
  growTo(memory, bytes);
  const floats = new Float32Array(memory.buffer, 0, bytes / 4);
  floats.set(rows.subarray(0, count * inner), rowsAt / 4);
  floats.fill(0, count * inner, height * inner);
  floats.set(matrix.subarray(0, columns * inner), matrixAt / 4);
  multiply(rowsAt, height, matrixAt, columns, inner, outAt);
  out.set(floats.subarray(outAt / 4, outAt / 4 + count * columns));
}
