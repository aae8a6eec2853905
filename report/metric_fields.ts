/**
 * The numbers of a slice as they are printed: names and order of the contract, plain decimals.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import type { SliceNumbers } from "../replay/metric.ts";

/** Decimals of each number, in the contract's order; the compiler checks that none is missing. */
const DECIMALS = {
  quality_main: 4,
  quality_delta_vs_ref: 4,
  peak_kv_memory_mb: 6,
  decode_tokens_per_s: 2,
  prefill_latency_ms: 2,
  calibration_cost_s: 3,
  avg_bits_per_kv_token: 6,
  cache_error: 6,
  greedy_match_ratio: 6,
  replay_agreement: 6,
  task_score: 4,
  task_score_ref: 4,
  kv_compression_ratio: 6,
  code_bits: 6,
  steps: 0,
  examples: 0,
  examples_left_out: 0,
  constants_mb: 6,
  break_even_tokens: 0,
} as const satisfies Record<keyof SliceNumbers, number>;

/** Names of the numbers, in the contract's order. */
export const metricFields: readonly (keyof SliceNumbers)[] = Object.keys(
  DECIMALS,
) as (keyof SliceNumbers)[];

/**
 * A number without exponent and without a negative zero.
 *
 * @throws {InternalError} for NaN, infinities and what is too large for plain decimals
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { plainDecimal } from "./metric_fields.ts";
 *
 * assertEquals(plainDecimal(1e-7, 4), "0.0000");
 * assertEquals(plainDecimal(-0.00001, 4), "0.0000");
 * assertEquals(plainDecimal(98.256, 2), "98.26");
 * ```
 */
export function plainDecimal(value: number, decimals: number): string {
  // From 1e21 on, toFixed writes an exponent.
  if (!(Math.abs(value) < 1e21)) {
    throw new InternalError(`Expected a number below 1e21, got ${value}`);
  }
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

/**
 * One number of a slice as it is printed.
 *
 * @throws {InternalError} naming the field, when it is no number
 */
export function printed(numbers: SliceNumbers, field: keyof SliceNumbers): string {
  try {
    return plainDecimal(numbers[field], DECIMALS[field]);
  } catch (error) {
    throw new InternalError(`${field}: ${(error as Error).message}`);
  }
}
