/**
 * `adaptive` and `adaptive_2bit`: this project's own policy. It measures on samples that are never
 * scored what every component of every layer's keys and values contributes and how much predictions
 * suffer from errors in that layer, and spends the budget where it buys most quality: a Lagrangian bit
 * allocation over all layers, kinds and components at once.
 *
 * Keys and values are coded by the family `transform` (quant/families/transform/transform.ts), which turns a
 * token's vectors into principal components first. The design and what did not work:
 * docs/adaptive.md.
 *
 * @module
 */
import type { KvKind } from "../quant/family.ts";
import type { ComponentStatistics } from "../quant/families/transform/transform_statistics.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";
import type { BudgetState, Policy, RequestMeta, WorkloadMeta } from "./policy.ts";

/** What can be taken away from the policy, or turned; the defaults are what `adaptive` is. */
export interface AdaptiveOptions {
  /** Average bits per component as a share of `budget_bits`, above 0 and up to 1. */
  readonly share: number;
  /** What a squared change of log-odds costs in `quality_main`; default 10. */
  readonly costPerOdds?: number;
  /** What `cache_error^2` costs in `quality_main`; default 10, as in the contract. */
  readonly costPerSquaredError?: number;
  /** Whether layers count by their measured sensitivity; default true. If not, all count alike. */
  readonly sensitivity?: boolean;
  /** Whether components get steps of their own; default true. If not, all have the same step. */
  readonly allocation?: boolean;
  /** Recent tokens kept exact at most; default 16. */
  readonly window?: number;
}

/** First tokens kept exact: attention sinks (Xiao et al., 2023, arXiv 2309.17453). */
const SINK_TOKENS = 4;

/** A step of the family `transform`, or what else becomes of a component. */
type Step = number | "absent" | "exact";

/** One way to code a component. */
interface Choice {
  readonly step: Step;
  readonly bits: number;
  /** Expected loss of `quality_main`. */
  readonly loss: number;
}

/** Bits of a component that is kept exact, and the share of it that rounding loses. */
const EXACT_BITS = 16;
const EXACT_ERROR = 1e-7;

/** Spends a share of the budget, averaged over all components. */
export class AdaptiveQuantPolicy implements Policy {
  #budgetBits = 4;
  #codeWidth = 4;
  /** `[layer][kind]` steps of all components. */
  #steps: Record<KvKind, Step[]>[] = [];

  readonly #options: Required<AdaptiveOptions>;

  /** @param options what to take away or turn */
  constructor(options: AdaptiveOptions) {
    this.#options = {
      costPerOdds: 10,
      costPerSquaredError: 10,
      sensitivity: true,
      allocation: true,
      window: 16,
      ...options,
    };
  }

  calibration_mode(_workload: WorkloadMeta, budget: BudgetState): "offline" {
    this.#budgetBits = budget.budget_bits;
    return "offline";
  }

  calibrate({ families }: CalibrationStatistics): unknown {
    const { widths, steps: stepSizes, layers } = families.transform;
    // Sixteen symbols, the widest code of the statistics, reach far enough for every step that pays.
    const width = widths.findLastIndex((width) => width <= this.#budgetBits);
    this.#codeWidth = widths[width]!;
    const { share, sensitivity, costPerOdds, costPerSquaredError } = this.#options;
    const all = layers.flatMap(({ sensitivity }) => [sensitivity.key, sensitivity.value]);
    const mean = all.reduce((a, b) => a + b, 0) / all.length;
    const choices = (components: readonly ComponentStatistics[], own: number) =>
      components.map((component) => {
        const odds = (sensitivity ? own : mean) * component.variance;
        // The contract takes the mean of squared errors over layers and kinds.
        const squaredError = component.energy / all.length;
        const loss = costPerOdds * odds + costPerSquaredError * squaredError;
        return choicesOf(component, width, stepSizes, loss);
      });
    const components = layers.flatMap((layer) => [
      ...choices(layer.key, layer.sensitivity.key),
      ...choices(layer.value, layer.sensitivity.value),
    ]);
    const average = share * this.#budgetBits;
    const steps = (this.#options.allocation ? allocate : alike)(components, average);
    let at = 0;
    this.#steps = layers.map(({ key, value }) => ({
      key: steps.slice(at, at += key.length),
      value: steps.slice(at, at += value.length),
    }));
    return this.#steps;
  }

  quantizer_family(): string {
    return "transform";
  }

  choose_bits(): number {
    return this.#codeWidth;
  }

  choose_axis(): "token" {
    return "token";
  }

  /** A window sized to the prompt: short prompts have fewer tokens to hide an error behind. */
  residual_length(_layer_id: number, { prompt_tokens }: RequestMeta): number {
    const { window } = this.#options;
    return Math.min(window, Math.max(Math.floor(window / 4), Math.floor(prompt_tokens / 128)));
  }

  sink_tokens(): number {
    return SINK_TOKENS;
  }

  family_options(layer_id: number, kv_kind: KvKind): { steps: Step[] } {
    return { steps: this.#steps[layer_id]![kv_kind] };
  }
}

/** Every way to code a component whose absence would lose so much. */
function choicesOf(
  { bits, error }: ComponentStatistics,
  width: number,
  steps: readonly number[],
  loss: number,
): Choice[] {
  return [
    { step: "absent", bits: 0, loss },
    ...steps.map((step, i) => ({
      step,
      bits: bits[width]![i]!,
      loss: loss * error[width]![i]!,
    })),
    { step: "exact", bits: EXACT_BITS, loss: loss * EXACT_ERROR },
  ];
}

/**
 * The choices of least total loss whose mean is at most `average` bits.
 *
 * At a price per bit every component takes the choice at which loss plus price is least, so each
 * price gives an optimal allocation, and bisection finds the one that spends the budget (Shoham and
 * Gersho, IEEE Transactions on Acoustics, Speech, and Signal Processing 36(9), 1988).
 */
function allocate(components: readonly (readonly Choice[])[], average: number): Step[] {
  const at = (price: number) =>
    components.map((choices) =>
      choices.reduce((best, choice) =>
        choice.loss + price * choice.bits < best.loss + price * best.bits ? choice : best
      )
    );
  let low = 0;
  let high = Math.max(...components.map(([absent]) => absent!.loss));
  for (let round = 0; round < 64; round++) {
    const price = (low + high) / 2;
    if (meanBits(at(price)) > average) low = price;
    else high = price;
  }
  return at(high).map(({ step }) => step);
}

/** The finest step that all components can have alike with at most `average` bits. */
function alike(components: readonly (readonly Choice[])[], average: number): Step[] {
  // Steps lie between the first choice and the last, the coarsest ones first.
  for (let i = components[0]!.length - 2; i > 0; i--) {
    const chosen = components.map((choices) => choices[i]!);
    if (meanBits(chosen) <= average) return chosen.map(({ step }) => step);
  }
  return components.map(() => "absent");
}

function meanBits(choices: readonly Choice[]): number {
  return choices.reduce((sum, { bits }) => sum + bits, 0) / choices.length;
}

/** Seventy percent of four bits. */
export const adaptive = (): Policy => new AdaptiveQuantPolicy({ share: 0.7 });
/** Half of four bits. */
export const adaptive2bit = (): Policy => new AdaptiveQuantPolicy({ share: 0.5 });
