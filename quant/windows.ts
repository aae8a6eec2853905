/**
 * Which tokens of a cache are quantized: closed forms for the window rules of the families. Each
 * holds after prefill and after any decode step.
 *
 * @module
 */
import type { TokenRange } from "./tensor.ts";

/**
 * All but the first `sinkTokens` and the last `windowTokens` of `n` tokens; the sink fills first.
 *
 * jy-yuan/KIVI, models/llama_kivi.py (values, no sink); cat538/SKVQ, KVcache_manager.py.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { slidingWindow } from "./windows.ts";
 *
 * assertEquals(slidingWindow(200, 128, 5), { from: 5, to: 72 });
 * assertEquals(slidingWindow(100, 128, 5), { from: 5, to: 5 });
 * ```
 */
export function slidingWindow(n: number, windowTokens: number, sinkTokens: number): TokenRange {
  const from = Math.min(n, sinkTokens);
  return { from, to: Math.max(from, n - windowTokens) };
}

/**
 * After the first `sinkTokens`, whole blocks of `blockTokens`; what does not fill a block stays
 * exact.
 *
 * jy-yuan/KIVI, models/llama_kivi.py (keys, no sink).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { wholeBlocks } from "./windows.ts";
 *
 * assertEquals(wholeBlocks(300, 128, 0), { from: 0, to: 256 });
 * assertEquals(wholeBlocks(256, 128, 0), { from: 0, to: 256 });
 * ```
 */
export function wholeBlocks(n: number, blockTokens: number, sinkTokens: number): TokenRange {
  const from = Math.min(n, sinkTokens);
  return { from, to: from + blockTokens * Math.floor((n - from) / blockTokens) };
}
