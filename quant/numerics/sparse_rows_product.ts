/**
 * The product of rows with many zeros and a matrix, in WebAssembly with vector instructions: what is 0
 * costs nothing. To the last bit what `rowsTimesColumns` gives. `sparse_rows_product.wat` is the source
 * of the binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { memory, multiply } from "./sparse_rows_product.wasm";
import { memoryViews } from "./wasm_memory.ts";

/**
 * `out[r][c] = sum over i of rows[r][i] * matrix[i][c]` in float32.
 *
 * @param rows `[count][inner]`, finite
 * @param matrix `[inner][columns]`, finite
 * @param columns a multiple of 4
 * @param inner a multiple of 4
 * @param out `[count][columns]`, overwritten
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sparseRowsProduct } from "./sparse_rows_product.ts";
 *
 * const rows = new Float32Array([0, 2, 0, 0, 1, 0, 0, -1]);
 * const matrix = new Float32Array([1, 0, 0, 0, 1, 2, 3, 4, 9, 9, 9, 9, 0, 0, 1, 0]);
 * const out = new Float32Array(8);
 * sparseRowsProduct(rows, 2, matrix, 4, 4, out);
 * assertEquals([...out], [2, 4, 6, 8, 1, 0, -1, 0]);
 * ```
 */
export function sparseRowsProduct(
  rows: Float32Array,
  count: number,
  matrix: Float32Array,
  columns: number,
  inner: number,
  out: Float32Array,
): void {
  const matrixAt = 4 * count * inner;
  const outAt = matrixAt + 4 * inner * columns;
  const sumsAt = outAt + 4 * count * columns;
  const listsAt = sumsAt + 4 * columns;
  const { floats } = memoryViews(memory, listsAt + 8 * inner + 8);
  floats.set(rows.subarray(0, count * inner));
  floats.set(matrix.subarray(0, inner * columns), matrixAt / 4);
  multiply(0, count, matrixAt, columns, inner, outAt, listsAt, sumsAt);
  out.set(floats.subarray(outAt / 4, sumsAt / 4));
}
