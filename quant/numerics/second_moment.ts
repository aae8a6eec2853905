/**
 * Second moments in WebAssembly with vector instructions, whose sums are those of plain loops to the
 * last bit. `second_moment.wat` is the source of the binary beside it; a test assembles it anew and
 * compares.
 *
 * @module
 */
import { memory, moment } from "./second_moment.wasm";
import { paddedTo4 } from "./rows_times_columns.ts";
import { growTo } from "./wasm_memory.ts";

/**
 * Mean over rows of `x x^T`, `[n][n]`.
 *
 * @param rows `[count][n]`, at least one
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { secondMoment } from "./second_moment.ts";
 *
 * assertEquals([...secondMoment(Float64Array.of(1, 2, 3, 4), 2)], [5, 7, 7, 10]);
 * ```
 */
export function secondMoment(rows: Float64Array, n: number): Float64Array {
  const count = rows.length / n;
  const width = paddedTo4(n);
  const outAt = count * width;
  growTo(memory, 8 * (outAt + width * width));
  const floats = new Float64Array(memory.buffer);
  if (width === n) floats.set(rows);
  else {
    // What pads a row goes into sums that nobody reads.
    for (let r = 0; r < count; r++) floats.set(rows.subarray(r * n, (r + 1) * n), r * width);
  }
  moment(0, count, width, 8 * outAt);
  const out = new Float64Array(n * n);
  for (let a = 0; a < n; a++) {
    for (let b = a; b < n; b++) {
      out[b * n + a] = out[a * n + b] = floats[outAt + a * width + b]! / count;
    }
  }
  return out;
}
