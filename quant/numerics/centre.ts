/**
 * @module
 */

/** Takes the mean off rows `[count][n]`, in place, and returns it. */
export function centre(rows: Float64Array, n: number): Float64Array {
  const count = rows.length / n;
  const mean = new Float64Array(n);
  for (let at = 0; at < rows.length; at += n) {
    for (let i = 0; i < n; i++) mean[i] = mean[i]! + rows[at + i]! / count;
  }
  for (let at = 0; at < rows.length; at += n) {
    for (let i = 0; i < n; i++) rows[at + i] = rows[at + i]! - mean[i]!;
  }
  return mean;
}
