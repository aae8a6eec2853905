/**
 * Hadamard rotations of many rows in float32: WebAssembly with vector instructions, to the last bit
 * what `hadamard` gives row by row, which is its reference. `hadamard_rows.wat` is the source of the
 * binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { hadamard as hadamardInMemory, memory } from "./hadamard_rows.wasm";
import { growTo } from "./wasm_memory.ts";

/**
 * Multiplies rows by the Hadamard matrix of `dim` entries over the root of `dim`, in place.
 *
 * @param rows `[count][dim]`, and perhaps more behind them
 * @param dim a power of two of at least 4
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { hadamardRows } from "./hadamard_rows.ts";
 *
 * const rows = Float32Array.of(1, 0, 0, 0, 1, 2, 3, 4);
 * hadamardRows(rows, 2, 4);
 * assertEquals([...rows], [0.5, 0.5, 0.5, 0.5, 5, -1, -2, 0]);
 * ```
 */
export function hadamardRows(rows: Float32Array, count: number, dim: number): void {
  const entries = count * dim;
  growTo(memory, 4 * entries);
  const floats = new Float32Array(memory.buffer, 0, entries);
  floats.set(rows.subarray(0, entries));
  hadamardInMemory(0, count, dim, 1 / Math.sqrt(dim));
  rows.set(floats);
}
