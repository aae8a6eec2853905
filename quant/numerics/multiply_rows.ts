/**
 * The matrix product behind rotations and transforms in host memory.
 *
 * @module
 */

/**
 * `out[r][c] = sum over i of rows[r][i] * matrix[c][i]`: rows times the transpose of a matrix.
 *
 * Two rows meet four columns at a time, so that eight sums live in registers and every number that
 * is loaded is used more than once.
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
  for (let r = 0; r < count; r += 2) {
    // A last odd row is computed twice rather than by other code.
    const a0 = r * inner;
    const a1 = Math.min(r + 1, count - 1) * inner;
    const o0 = r * columns;
    const o1 = Math.min(r + 1, count - 1) * columns;
    let c = 0;
    for (; c + 4 <= columns; c += 4) {
      const b0 = c * inner, b1 = b0 + inner, b2 = b1 + inner, b3 = b2 + inner;
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      for (let i = 0; i < inner; i++) {
        const x = rows[a0 + i]!, y = rows[a1 + i]!;
        const p = matrix[b0 + i]!, q = matrix[b1 + i]!, u = matrix[b2 + i]!, v = matrix[b3 + i]!;
        s00 += x * p;
        s01 += x * q;
        s02 += x * u;
        s03 += x * v;
        s10 += y * p;
        s11 += y * q;
        s12 += y * u;
        s13 += y * v;
      }
      out[o0 + c] = s00;
      out[o0 + c + 1] = s01;
      out[o0 + c + 2] = s02;
      out[o0 + c + 3] = s03;
      out[o1 + c] = s10;
      out[o1 + c + 1] = s11;
      out[o1 + c + 2] = s12;
      out[o1 + c + 3] = s13;
    }
    for (; c < columns; c++) {
      let s0 = 0, s1 = 0;
      for (let i = 0, b = c * inner; i < inner; i++, b++) {
        s0 += rows[a0 + i]! * matrix[b]!;
        s1 += rows[a1 + i]! * matrix[b]!;
      }
      out[o0 + c] = s0;
      out[o1 + c] = s1;
    }
  }
}

/**
 * Mean over rows of `x x^T`, `[n][n]`.
 *
 * @param rows `[count][n]`, at least one
 */
export function secondMoment(rows: Float64Array, n: number): Float64Array {
  const count = rows.length / n;
  // Channels as rows: the moment is then one product of rows with rows.
  const channels = new Float64Array(rows.length);
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < n; i++) channels[i * count + r] = rows[r * n + i]!;
  }
  const moment = new Float64Array(n * n);
  multiplyRows(channels, n, channels, n, count, moment);
  for (let i = 0; i < moment.length; i++) moment[i] = moment[i]! / count;
  return moment;
}
