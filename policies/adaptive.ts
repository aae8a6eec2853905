/**
 * `adaptive` and `adaptive_2bit`: this project's own policy. It measures on samples that are never
 * scored what every component of every layer's keys and values contributes, and spends the budget
 * where it buys most: a Lagrangian bit allocation over all layers, kinds and components at once.
 *
 * Keys and values are coded by the family `transform` (quant/transform/transform.ts), which turns a token's
 * vectors into principal components first. The design and what did not work: docs/adaptive.md.
 *
 * @module
 */
import type { KvKind } from "../quant/family.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";
import type { BudgetState, Policy, RequestMeta, WorkloadMeta } from "./policy.ts";

/** Width of a component that the family `transform` keeps exact, as an outlier entry. */
const EXACT = 16;

/** What a width of a code does to a component of variance 1: mean squared error. */
type Distortion = Readonly<Record<number, number>>;

/**
 * Codes whose levels were learned: the best scalar code for a Gaussian (Max, "Quantizing for minimum
 * distortion", IRE Transactions on Information Theory 6(1), 1960, table I).
 */
const LEARNED: Distortion = {
  0: 1,
  1: 0.3634,
  2: 0.1175,
  3: 0.03454,
  4: 0.009497,
  5: 0.002499,
  6: 0.0006422,
  7: 0.0001632,
  8: 0.0000412,
};

/**
 * Codes spread evenly over the range of their token, about 2.7 standard deviations to each side: a
 * twelfth of the squared step, and what was measured for the widths at which that is too coarse.
 */
const RANGED: Distortion = {
  0: 1,
  1: 0.9,
  2: 0.27,
  3: 0.05,
  4: 0.0108,
  5: 0.00253,
  6: 0.000612,
  7: 0.000151,
  8: 0.0000374,
};

/** Half-precision numbers round off next to nothing. */
const EXACT_DISTORTION = 1e-7;

/** What can be taken away from the policy, or turned; the defaults are what `adaptive` is. */
export interface AdaptiveOptions {
  /** Average bits per component as a share of `budget_bits`, above 0 and up to 1. */
  readonly share: number;
  /**
   * What an error in a key weighs against one in a value; default 5, because keys decide which
   * tokens are read at all.
   */
  readonly keyWeight?: number;
  /** Whether keys store a range per token, so that none of their codes saturates; default true. */
  readonly keyRanges?: boolean;
  /** Whether components that stand out may be kept exact; default true. */
  readonly exactComponents?: boolean;
}

/** First tokens kept exact: attention sinks (Xiao et al., 2023, arXiv 2309.17453). */
const SINK_TOKENS = 4;

/** Spends a share of the budget, averaged over all components. */
export class AdaptiveQuantPolicy implements Policy {
  #budgetBits = 4;
  /** `[layer][kind]` widths of all components. */
  #widths: Record<KvKind, number[]>[] = [];

  readonly #options: Required<AdaptiveOptions>;

  /** @param options what to take away or turn */
  constructor(options: AdaptiveOptions) {
    this.#options = { keyWeight: 5, keyRanges: true, exactComponents: true, ...options };
  }

  calibration_mode(_workload: WorkloadMeta, budget: BudgetState): "offline" {
    this.#budgetBits = budget.budget_bits;
    return "offline";
  }

  calibrate(samples: CalibrationStatistics): unknown {
    const { share, keyWeight, keyRanges, exactComponents } = this.#options;
    const components = samples.layers.flatMap(({ transform }) => [
      ...transform.key.map((v) => ({
        weight: keyWeight * v,
        distortion: keyRanges ? RANGED : LEARNED,
      })),
      ...transform.value.map((v) => ({ weight: v, distortion: LEARNED })),
    ]);
    const choices = [...Array(Math.min(this.#budgetBits, 8) + 1).keys()];
    if (exactComponents) choices.push(EXACT);
    const widths = allocate(components, share * this.#budgetBits, choices);
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
    return Math.max(1, ...this.#widths[layer_id]![kv_kind].filter((width) => width !== EXACT));
  }

  choose_axis(): "token" {
    return "token";
  }

  /** A window sized to the prompt: short prompts have fewer tokens to hide an error behind. */
  residual_length(_layer_id: number, request_meta: RequestMeta): number {
    return Math.min(16, Math.max(4, Math.floor(request_meta.prompt_tokens / 128)));
  }

  sink_tokens(): number {
    return SINK_TOKENS;
  }

  family_options(
    layer_id: number,
    kv_kind: KvKind,
  ): { widths: number[]; levels: "learned" | "token" } {
    return {
      widths: this.#widths[layer_id]![kv_kind],
      levels: kv_kind === "key" && this.#options.keyRanges ? "token" : "learned",
    };
  }
}

/** A component to be coded: what leaving it out costs, and what codes of each width leave of that. */
interface Component {
  readonly weight: number;
  readonly distortion: Distortion;
}

/**
 * Widths of least total distortion whose mean is at most `average` bits.
 *
 * At a price per bit every component takes the width at which distortion plus price is least, so
 * each price gives an optimal allocation, and bisection finds the one that spends the budget (Shoham
 * and Gersho, IEEE Transactions on Acoustics, Speech, and Signal Processing 36(9), 1988).
 */
function allocate(
  components: readonly Component[],
  average: number,
  choices: readonly number[],
): number[] {
  const at = (price: number) =>
    components.map(({ weight, distortion }) => {
      const cost = (width: number) =>
        weight * (distortion[width] ?? EXACT_DISTORTION) + price * width;
      return choices.reduce((best, width) => cost(width) < cost(best) ? width : best);
    });
  const mean = (widths: number[]) => widths.reduce((a, b) => a + b, 0) / widths.length;
  let low = 0;
  let high = Math.max(...components.map(({ weight }) => weight));
  for (let round = 0; round < 64; round++) {
    const price = (low + high) / 2;
    if (mean(at(price)) > average) low = price;
    else high = price;
  }
  return at(high);
}

/** Three bits of four, outlier components included. */
export const adaptive: Policy = new AdaptiveQuantPolicy({ share: 0.74 });
/** A little over two bits of four. */
export const adaptive2bit: Policy = new AdaptiveQuantPolicy({ share: 0.54 });
