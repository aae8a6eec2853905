/**
 * @module
 */

/** At most so many of rows `[count][n]`, evenly chosen, in a matrix of their own. */
export function evenRows(rows: Float64Array, n: number, most: number): Float64Array {
  const all = rows.length / n;
  const count = Math.min(all, most);
  const out = new Float64Array(count * n);
  for (let t = 0; t < count; t++) {
    const from = Math.floor(t * all / count) * n;
    out.set(rows.subarray(from, from + n), t * n);
  }
  return out;
}
