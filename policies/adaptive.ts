/**
 * `adaptive`, `adaptive_2bit` and `adaptive_1bit`: this project's own policy. It measures on samples that are never
 * scored what every component of every layer's keys and values contributes and how much predictions
 * suffer from errors in that layer, and spends its rate where it buys most quality: a Lagrangian bit
 * allocation over all layers, kinds and components at once.
 *
 * The rate is a promise, not an expectation: every layer's keys and values are given what their
 * streams take at most, and the mean of that is the rate, whatever was learned and whatever comes.
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
  /** Coded bits an entry, averaged over layers and kinds, at most; `budget_bits` if that is lower. */
  readonly rate: number;
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

/**
 * Power to which a sensitivity's ratio to the typical one is taken: texts of other kinds measure other
 * ones, by orders of magnitude, so that three quarters of the distance are believed.
 */
const BELIEVED = 0.75;

/** Share of the rate that calibration plans with; the rest is for texts that take more. */
const PLANNED = 0.96;

/**
 * Bits that a group of 16 tokens takes beside its codes: level, state, end, what fills a word, and for
 * every eighth component its shift.
 */
const groupOverhead = (components: number) => (67 + 3 * Math.ceil(components / 8)) / 16;

/** Bits of a group of 16 tokens in which nothing is coded: any layer must be able to pay for it. */
const LEAST_OVERHEAD = 64 / 16;

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

/** Spends a rate, averaged over all components. */
export class AdaptiveQuantPolicy implements Policy {
  #budgetBits = 4;
  #codeWidth = 4;
  /** `[layer][kind]` steps of all components, and bits an entry at most. */
  #steps: Record<KvKind, Step[]>[] = [];
  #mostBits: Record<KvKind, number>[] = [];

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
    const { rate, sensitivity, costPerOdds, costPerSquaredError } = this.#options;
    const all = layers.flatMap(({ sensitivity }) => [sensitivity.key, sensitivity.value]);
    const alike = all.reduce((a, b) => a + b, 0) / all.length;
    const typical = geometricMean(all);
    const believed = (own: number) => typical * (own / typical) ** BELIEVED;
    const choices = (components: readonly ComponentStatistics[], own: number) =>
      components.map((component) => {
        const odds = (sensitivity ? believed(own) : alike) * component.variance;
        // The contract takes the mean of squared errors over layers and kinds.
        const squaredError = component.energy / all.length;
        const loss = costPerOdds * odds + costPerSquaredError * squaredError;
        return choicesOf(component, width, stepSizes, loss);
      });
    const components = layers.flatMap((layer) => [
      ...choices(layer.key, layer.sensitivity.key),
      ...choices(layer.value, layer.sensitivity.value),
    ]);
    const mean = Math.min(rate, this.#budgetBits);
    const perTensor = components.length / all.length;
    const average = PLANNED * mean - groupOverhead(perTensor) / perTensor;
    const chosen = (this.#options.allocation ? allocate : allAlike)(components, average);
    const planned = all.map((_, i) => meanBits(chosen.slice(i * perTensor, (i + 1) * perTensor)));
    const most = shared(planned, mean, LEAST_OVERHEAD / perTensor);
    const steps = chosen.map(({ step }) => step);
    const ofTensor = (i: number) => steps.slice(i * perTensor, (i + 1) * perTensor);
    this.#mostBits = layers.map((_, l) => ({ key: most[2 * l]!, value: most[2 * l + 1]! }));
    this.#steps = layers.map((_, l) => ({ key: ofTensor(2 * l), value: ofTensor(2 * l + 1) }));
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
    return Math.min(
      window,
      Math.max(Math.floor(window / 4), Math.floor(prompt_tokens / 16)),
    );
  }

  sink_tokens(): number {
    return SINK_TOKENS;
  }

  family_options(layer_id: number, kv_kind: KvKind): { steps: Step[]; most_bits: number } {
    return {
      steps: this.#steps[layer_id]![kv_kind],
      most_bits: this.#mostBits[layer_id]![kv_kind],
    };
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
function allocate(components: readonly (readonly Choice[])[], average: number): Choice[] {
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
  return at(high);
}

/** The finest step that all components can have alike with at most `average` bits. */
function allAlike(components: readonly (readonly Choice[])[], average: number): Choice[] {
  // Steps lie between the first choice and the last, the coarsest ones first.
  for (let i = components[0]!.length - 2; i > 0; i--) {
    const chosen = components.map((choices) => choices[i]!);
    if (meanBits(chosen) <= average) return chosen;
  }
  return components.map(([absent]) => absent!);
}

/**
 * What everyone gets so that the mean is `mean`: the least that anyone needs, and of the rest in
 * proportion to what is planned.
 */
function shared(planned: readonly number[], mean: number, least: number): number[] {
  const wanted = planned.map((bits) => Number.isFinite(bits) ? bits : 0);
  const sum = wanted.reduce((a, b) => a + b, 0);
  const rest = Math.max(0, mean - least);
  return wanted.map((bits) => {
    const share = sum > 0 ? bits * wanted.length / sum : 1;
    return Math.min(mean, least) + rest * share;
  });
}

/** Of those above 0; 1 where there is none. */
function geometricMean(numbers: readonly number[]): number {
  const logs = numbers.filter((x) => x > 0).map(Math.log);
  return logs.length === 0 ? 1 : Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length);
}

function meanBits(choices: readonly Choice[]): number {
  return choices.reduce((sum, { bits }) => sum + bits, 0) / choices.length;
}

/** Three coded bits an entry. */
export const adaptive = (): Policy => new AdaptiveQuantPolicy({ rate: 3 });
/** Two coded bits an entry. */
export const adaptive2bit = (): Policy => new AdaptiveQuantPolicy({ rate: 2 });
/** One and a half coded bits an entry. */
export const adaptive1bit = (): Policy => new AdaptiveQuantPolicy({ rate: 1.5 });
