/**
 * `adaptive` and `adaptive_2bit`: this project's own policy. It measures on samples that are never
 * scored what every component of every layer's keys and values contributes, and spends the budget
 * where it buys most: a Lagrangian bit allocation over all layers, kinds and components at once.
 *
 * Keys and values are coded by the family `transform` (quant/transform.ts), which turns a token's
 * vectors into principal components first. The design and what did not work: docs/adaptive.md.
 *
 * @module
 */
import type { KvKind } from "../quant/family.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";
import type { BudgetState, Policy, RequestMeta, WorkloadMeta } from "./policy.ts";

/**
 * Mean squared error of the best scalar code of 0, 1, 2, … bits for a Gaussian of variance 1 (Max,
 * "Quantizing for minimum distortion", IRE Transactions on Information Theory 6(1), 1960, table I).
 */
const DISTORTION = [
  1,
  0.3634,
  0.1175,
  0.03454,
  0.009497,
  0.002499,
  0.0006422,
  0.0001632,
  0.0000412,
];

/** First tokens kept exact: attention sinks (Xiao et al., 2023, arXiv 2309.17453). */
const SINK_TOKENS = 4;

/** Spends `share` of the budget's code bits, averaged over all entries that are coded. */
export class AdaptiveQuantPolicy implements Policy {
  #budgetBits = 4;
  /** `[layer][kind]` widths of all components. */
  #widths: Record<KvKind, number[]>[] = [];

  /** @param share average code width as a share of `budget_bits`, above 0 and up to 1 */
  constructor(private readonly share: number) {}

  calibration_mode(_workload: WorkloadMeta, budget: BudgetState): "offline" {
    this.#budgetBits = budget.budget_bits;
    return "offline";
  }

  calibrate(samples: CalibrationStatistics): unknown {
    const variances = samples.layers.flatMap(({ transform }) => [
      ...transform.key,
      ...transform.value,
    ]);
    const widest = Math.min(this.#budgetBits, DISTORTION.length - 1);
    const widths = allocate(variances, this.share * this.#budgetBits, widest);
    let at = 0;
    const take = (count: number) => widths.slice(at, at += count);
    this.#widths = samples.layers.map(({ transform }) => ({
      key: take(transform.key.length),
      value: take(transform.value.length),
    }));
    return this.#widths;
  }

  quantizer_family(): string {
    return "transform";
  }

  choose_bits(layer_id: number, kv_kind: KvKind): number {
    return Math.max(1, ...this.#widths[layer_id]![kv_kind]);
  }

  choose_axis(): "token" {
    return "token";
  }

  /** A window sized to the prompt: short prompts have fewer tokens to hide an error behind. */
  residual_length(_layer_id: number, request_meta: RequestMeta): number {
    return Math.min(32, Math.max(8, Math.floor(request_meta.prompt_tokens / 128)));
  }

  sink_tokens(): number {
    return SINK_TOKENS;
  }

  family_options(layer_id: number, kv_kind: KvKind): { widths: number[] } {
    return { widths: this.#widths[layer_id]![kv_kind] };
  }
}

/**
 * Integer widths of least total distortion whose mean is at most `average`.
 *
 * For a price per bit every component takes the width at which distortion plus price is least; the
 * distortion is convex in the width, so each price gives an optimal allocation, and bisection finds
 * the price that spends the budget (Shoham and Gersho, IEEE Transactions on Acoustics, Speech, and
 * Signal Processing 36(9), 1988).
 *
 * @param variances of every component, in units that compare
 */
function allocate(variances: readonly number[], average: number, widest: number): number[] {
  const at = (price: number) =>
    variances.map((variance) => {
      let width = 0;
      while (
        width < widest &&
        variance * (DISTORTION[width]! - DISTORTION[width + 1]!) > price
      ) width++;
      return width;
    });
  const mean = (widths: number[]) => widths.reduce((a, b) => a + b, 0) / widths.length;
  let low = 0;
  let high = Math.max(...variances);
  for (let round = 0; round < 64; round++) {
    const price = (low + high) / 2;
    if (mean(at(price)) > average) low = price;
    else high = price;
  }
  return at(high);
}

/** 70 % of the budget: 2.8 of 4 bits. */
export const adaptive: Policy = new AdaptiveQuantPolicy(0.7);
/** Half of the budget: 2 of 4 bits. */
export const adaptive2bit: Policy = new AdaptiveQuantPolicy(0.5);
