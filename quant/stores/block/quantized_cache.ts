/**
 * The rule of Transformers' `QuantizedCache`: the prompt is quantized whole, decoded tokens gather in
 * an exact residual, and when that is full the store, the residual and the new token are put together
 * in restored form and quantized again. So old tokens are quantized anew every `residualLength`
 * tokens, and their errors add up.
 *
 * huggingface/transformers 5.18.0, src/transformers/cache_utils.py, QuantizedLayer.update. One call
 * appends one token: with `r >= 1` residual tokens and `r + 1 >= residual_length` everything is
 * quantized again after the call's attention, else the token joins the residual. An empty residual
 * is a tensor of another rank there, which the condition excludes, so lengths 0 and 1 act like 2.
 *
 * The replay's step `s` sees the cache after `s` such calls: a snapshot of `p + s` tokens, `p` of them
 * prefilled. A call attends before it quantizes, so what it quantized is first seen by the next
 * step, whose snapshot holds the call's token: the store changes exactly when a snapshot has grown by
 * a multiple of the period.
 *
 * @module
 */

/** Decoded tokens from one quantization of the whole store to the next. */
export function requantizationPeriod(residualLength: number): number {
  return Math.max(2, residualLength);
}

/**
 * Tokens in the quantized store when the cache holds `n`, of which the first `prefilled` came at once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { storedTokens } from "./quantized_cache.ts";
 *
 * assertEquals(storedTokens(20, 20, 16), 20);
 * assertEquals(storedTokens(20, 35, 16), 20);
 * assertEquals(storedTokens(20, 36, 16), 36);
 * assertEquals(storedTokens(20, 55, 16), 52);
 * ```
 */
export function storedTokens(prefilled: number, n: number, residualLength: number): number {
  const period = requantizationPeriod(residualLength);
  return prefilled + period * Math.floor((n - prefilled) / period);
}
