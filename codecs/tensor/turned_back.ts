/**
 * Queries as they were before their positions were turned in.
 *
 * @module
 */
import type { CpuTensor } from "../../quant/tensor.ts";

/**
 * Turns rotary positions back: channels `i` and `i + headDim / 2` are a pair (quant/rotary_positions.ts).
 *
 * @param turned `[heads, tokens, headDim]`, of positions from 0
 * @param rope tables `[1, positions, headDim / 2]`, times the scale of both
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { turnedBack } from "./turned_back.ts";
 *
 * // A quarter turn of (1, 0) is (0, 1).
 * const tensor = (...data: number[]) => ({
 *   heads: 1,
 *   capacity: 1,
 *   headDim: data.length,
 *   data: Float32Array.from(data),
 * });
 * const rope = { cos: tensor(0), sin: tensor(1) };
 * assertEquals(turnedBack(tensor(0, 1), rope).data, Float32Array.of(1, 0));
 * ```
 */
export function turnedBack(
  turned: CpuTensor,
  { cos, sin }: { readonly cos: CpuTensor; readonly sin: CpuTensor },
): CpuTensor {
  const { heads, capacity, headDim, data } = turned;
  const half = headDim / 2;
  const back = new Float32Array(data.length);
  for (let head = 0; head < heads; head++) {
    for (let token = 0; token < capacity; token++) {
      const at = (head * capacity + token) * headDim;
      for (let i = 0; i < half; i++) {
        const [c, s] = [cos.data[token * half + i]!, sin.data[token * half + i]!];
        const [x, y] = [data[at + i]!, data[at + half + i]!];
        const square = c * c + s * s;
        back[at + i] = (x * c + y * s) / square;
        back[at + half + i] = (y * c - x * s) / square;
      }
    }
  }
  return { heads, capacity, headDim, data: back };
}
