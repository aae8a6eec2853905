/**
 * The arithmetic of `qaq`.
 *
 * Dong et al., "QAQ: Quality Adaptive Quantization for LLM KV Cache", arXiv 2403.04643;
 * ClubieDong/QAQ-KVCacheQuantization, src/quantizer.py.
 *
 * @module
 */
import { probit } from "../../numerics/probit.ts";
import type { QaqSettings } from "./qaq_settings.ts";

/**
 * Largest quantization error of an entry that keeps the target error, in a cache of `n` tokens; for
 * values times the largest attention that reads them (src/quantizer.py, _calc_quantization_bits).
 */
export function largestError(settings: QaqSettings, n: number): number {
  const { kind, targetQuantizationError: target, qNorm } = settings;
  if (kind === "value") return Math.sqrt(12 / n) * target;
  return n < 2 ? Infinity : Math.sqrt(12 / qNorm * Math.log(n ** 3 / (n - 1) * target ** 2 + 1));
}

/**
 * Fewest bits whose error over a range stays below `error`: `ceil(log2(range / (2 error) + 1))`,
 * within the settings' range of widths. Found by comparing, so that a logarithm's last bit decides
 * nothing.
 */
export function bitsFor(settings: QaqSettings, range: number, error: number): number {
  const [least, most] = settings.bitRange;
  let bits = least;
  while (bits < most && range > 2 * error * (2 ** bits - 1)) bits++;
  return bits;
}

/** Whether a token is too recent in a cache of `n` tokens to know its attention. */
export function lacksHistory(settings: QaqSettings, token: number, n: number): boolean {
  return token > n - settings.lastNAttentions;
}

/** Codes of the normal method: quantiles of the standard normal distribution. */
export interface NormalCodes {
  /** Upper bound of every code but the last. */
  readonly bounds: Float64Array<ArrayBuffer>;
  /** What each code stands for, in standard deviations. */
  readonly centres: Float64Array<ArrayBuffer>;
}

/** The normal codes of a width. */
export function normalCodes(bits: number): NormalCodes {
  const count = 2 ** bits;
  return {
    bounds: Float64Array.from({ length: count - 1 }, (_, i) => probit((i + 1) / count)),
    centres: Float64Array.from({ length: count }, (_, i) => probit((i + 0.5) / count)),
  };
}
