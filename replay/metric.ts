/**
 * Step 4 of a replayed step: metric. What changed in the prediction and in the cache, and how the
 * steps of a slice add up to its numbers.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";
import { EXACT_BITS } from "../quant/families/exact/exact.ts";
import { argmax } from "./reference.ts";

/**
 * How a replayed prediction compares with the reference.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Prediction } from "@kvreplay/kvreplay";
 *
 * // How much probability the two distributions share: 1 where they are the same.
 * const agreement = ({ kl }: Prediction) => Math.exp(-kl);
 * assertEquals(agreement({ token: 17, kl: 0 }), 1);
 * ```
 */
export interface Prediction {
  /** `argmax` of the replayed logits. */
  readonly token: number;
  /** `KL(p_ref || p_policy)` in nats, at least 0. */
  readonly kl: number;
}

/** Log of the sum of exponentials of `count` logits, in float64. */
function logSumExp(row: Float32Array, from: number, count: number): number {
  let top = -Infinity;
  for (let i = 0; i < count; i++) top = Math.max(top, row[from + i]!);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp(row[from + i]! - top);
  return top + Math.log(sum);
}

/**
 * Negative log-likelihood of a token under one row of logits, in nats.
 *
 * @param logits `[.., vocab]`, the row starting at `at`
 */
export function negativeLogLikelihood(
  logits: Float32Array,
  at: number,
  vocab: number,
  token: number,
): number {
  return logSumExp(logits, at, vocab) - logits[at + token]!;
}

/**
 * Compares one row of replayed logits with the reference's.
 *
 * @param reference logits, `[.., vocab]`, the row starting at `at`
 * @param replayed logits, the row starting at `replayedAt`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compare } from "./metric.ts";
 *
 * const logits = new Float32Array([0, 3, 1]);
 * assertEquals(compare(logits, 0, logits, 0, 3), { token: 1, kl: 0 });
 * ```
 */
export function compare(
  reference: Float32Array,
  at: number,
  replayed: Float32Array,
  replayedAt: number,
  vocab: number,
): Prediction {
  const refLog = logSumExp(reference, at, vocab);
  const newLog = logSumExp(replayed, replayedAt, vocab);
  let kl = 0;
  for (let i = 0; i < vocab; i++) {
    const logP = reference[at + i]! - refLog;
    kl += Math.exp(logP) * (logP - (replayed[replayedAt + i]! - newLog));
  }
  return { token: argmax(replayed, replayedAt, vocab), kl: Math.max(0, kl) };
}

/**
 * Everything counted at one replayed step.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { StepOutcome } from "@kvreplay/kvreplay";
 *
 * const storedBits = ({ bytes, elements }: StepOutcome) => 8 * bytes / elements;
 * const step = {
 *   ...{ step: 0, token: 5, referenceToken: 5, kl: 0, squaredError: 0.2 },
 *   ...{ bytes: 80, elements: 256, codes: 256, codeBits: 512 },
 * };
 * // Codes of two bits, and half a bit for what goes with them.
 * assertEquals(storedBits(step), 2.5);
 * ```
 */
export interface StepOutcome extends Prediction {
  /** Step of the example, from 0. */
  readonly step: number;
  /** `y_s` of the reference. */
  readonly referenceToken: number;
  /** Mean over layers and kinds of `norm(X - X')^2 / norm(X)^2`. */
  readonly squaredError: number;
  /** Bytes of the whole quantized cache. */
  readonly bytes: number;
  /** Entries of the whole cache, keys and values. */
  readonly elements: number;
  /** Codes stored. */
  readonly codes: number;
  /** Sum of the widths of the codes stored, in bits. */
  readonly codeBits: number;
}

/**
 * One example under one policy.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { ExampleOutcome } from "@kvreplay/kvreplay";
 *
 * // Where the replayed answer leaves the reference's; -1 if it never does.
 * const leavesAt = ({ steps }: Pick<ExampleOutcome, "steps">) =>
 *   steps.findIndex(({ token, referenceToken }) => token !== referenceToken);
 * const step = { kl: 0.1, squaredError: 0.2, bytes: 80, elements: 256, codes: 256, codeBits: 512 };
 * const steps = [
 *   { ...step, step: 0, token: 5, referenceToken: 5 },
 *   { ...step, step: 1, token: 8, referenceToken: 9 },
 * ];
 * assertEquals(leavesAt({ steps }), 1);
 * ```
 */
export interface ExampleOutcome {
  /** Every replayed step, in order. */
  readonly steps: readonly StepOutcome[];
  /** Wall time of quantize, restore and model step, in seconds. */
  readonly seconds: number;
  /** Score of the replayed answer, 0..1. */
  readonly score: number;
  /** Score of the reference's answer, 0..1. */
  readonly referenceScore: number;
  /** Wall time of the prefill, in milliseconds. */
  readonly prefillMs: number;
}

/**
 * The numbers of one slice under one policy; names and order of the contract.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { open, type SliceNumbers } from "@kvreplay/kvreplay";
 *
 * // What `quality_main` is made of.
 * const quality = ({ greedy_match_ratio, replay_agreement, cache_error }: SliceNumbers) =>
 *   60 * greedy_match_ratio + 30 * replay_agreement + 10 * (1 - Math.min(1, cache_error ** 2));
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers } = await lab.replay({ prompt: "Why?" }, "uniform_quant_2bit");
 * assertAlmostEquals(quality(numbers), numbers.quality_main, 1e-5);
 * ```
 */
export interface SliceNumbers {
  /** Agreement of the next tokens and share of the cache's energy kept, 0..100. */
  readonly quality_main: number;
  /** `quality_main` less that of the reference policy. */
  readonly quality_delta_vs_ref: number;
  /** Largest size of the quantized cache over all steps, in MiB. */
  readonly peak_kv_memory_mb: number;
  /** Replayed steps per second of quantize, restore and model step. */
  readonly decode_tokens_per_s: number;
  /** Median wall time of the prefill over the examples, in milliseconds. */
  readonly prefill_latency_ms: number;
  /** Wall time of the policy's calibration, in seconds; 0 without one. */
  readonly calibration_cost_s: number;
  /** Stored bits per cache entry, over all steps. */
  readonly avg_bits_per_kv_token: number;
  /** Root mean square of `norm(X - X') / norm(X)` over steps, layers and kinds. */
  readonly cache_error: number;
  /** Share of steps that predict the reference's token, 0..1. */
  readonly greedy_match_ratio: number;
  /** Mean over steps of `exp(-KL(p_ref || p_policy))`, 0..1. */
  readonly replay_agreement: number;
  /** Mean score of the replayed answers, 0..100. */
  readonly task_score: number;
  /** Mean score of the reference's answers, 0..100. */
  readonly task_score_ref: number;
  /** Bytes at 16 bits per entry over stored bytes, at least one, at the step of the peak. */
  readonly kv_compression_ratio: number;
  /**
   * Mean width of the codes alone, in bits: what the budget caps. 0 where nothing was coded; 16 under
   * the reference policy, which codes nothing by its nature.
   */
  readonly code_bits: number;
  /** Replayed steps. */
  readonly steps: number;
  /** Replayed examples. */
  readonly examples: number;
  /** Examples that are in none of these numbers: too long for the model, or not finite in it. */
  readonly examples_left_out: number;
  /** What decoding needs besides the cache, once per model, in MiB: matrices, levels, tables, orders. */
  readonly constants_mb: number;
  /**
   * Cached tokens from which on the quantized cache and the constants take less than 16 bits an entry
   * do; -1 where they never do.
   */
  readonly break_even_tokens: number;
}

/** Quality as the contract weighs it, 0..100. */
export function quality(greedyMatch: number, agreement: number, cacheError: number): number {
  // Whole weights: 0.6 + 0.3 + 0.1 is not 1 in floating point.
  return 60 * greedyMatch + 30 * agreement + 10 * (1 - Math.min(1, cacheError * cacheError));
}

/** What the outcomes of a slice do not say. */
export interface SliceFacts {
  /** Wall time of the policy's calibration, in seconds; 0 when absent. */
  readonly calibrationSeconds?: number;
  /** `quality_main` of the reference policy; absent for the reference itself. */
  readonly referenceQuality?: number;
  /** What decoding needs besides the cache; absent where it needs nothing. */
  readonly constants?: {
    readonly bytes: number;
    /** Entries of the whole cache per token, keys and values. */
    readonly entriesPerToken: number;
  };
  /** Examples that were not replayed; 0 when absent. */
  readonly leftOut?: number;
  /** Whether this is the reference policy. */
  readonly fullPrecision?: boolean;
}

/**
 * Adds up a slice.
 *
 * @param outcomes one per example, at least one step in all
 */
export function summarize(
  outcomes: readonly ExampleOutcome[],
  {
    calibrationSeconds = 0,
    constants,
    referenceQuality,
    leftOut = 0,
    fullPrecision = false,
  }: SliceFacts = {},
): SliceNumbers {
  const steps = outcomes.flatMap((o) => o.steps);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const greedy = mean(steps.map((s) => s.token === s.referenceToken ? 1 : 0));
  const agreement = rounded(mean(steps.map((s) => Math.exp(-s.kl))));
  const cacheError = Math.sqrt(mean(steps.map((s) => s.squaredError)));
  const main = rounded(quality(greedy, agreement, cacheError));
  const peak = steps.reduce((best, s) => s.bytes > best.bytes ? s : best);
  const codes = sum(steps.map((s) => s.codes));
  const seconds = sum(outcomes.map((o) => o.seconds));
  return {
    quality_main: main,
    quality_delta_vs_ref: rounded(main - (referenceQuality ?? main)),
    peak_kv_memory_mb: peak.bytes / 2 ** 20,
    decode_tokens_per_s: steps.length / seconds,
    prefill_latency_ms: median(outcomes.map((o) => o.prefillMs)),
    calibration_cost_s: calibrationSeconds,
    avg_bits_per_kv_token: 8 * sum(steps.map((s) => s.bytes)) / sum(steps.map((s) => s.elements)),
    cache_error: cacheError,
    greedy_match_ratio: greedy,
    replay_agreement: agreement,
    task_score: 100 * mean(outcomes.map((o) => o.score)),
    task_score_ref: 100 * mean(outcomes.map((o) => o.referenceScore)),
    kv_compression_ratio: peak.elements * 2 / Math.max(1, peak.bytes),
    code_bits: codes > 0
      ? sum(steps.map((s) => s.codeBits)) / codes
      : fullPrecision
      ? EXACT_BITS
      : 0,
    steps: steps.length,
    examples: outcomes.length,
    examples_left_out: leftOut,
    constants_mb: (constants?.bytes ?? 0) / 2 ** 20,
    break_even_tokens: breakEven(peak, constants),
  };
}

/**
 * Tokens from which on a policy saves memory in all. What is exact at the peak stays so: sinks, a
 * window, an open group; every further token saves what a coded one does there.
 */
function breakEven(
  { bytes, elements, codes }: StepOutcome,
  constants: SliceFacts["constants"],
): number {
  const saved = elements * EXACT_BITS / 8 - bytes;
  if (saved <= 0) return -1;
  if (constants === undefined) return 0;
  const { bytes: constantBytes, entriesPerToken } = constants;
  // One that is judged by its bytes says of no entry whether it is coded: each saves its share.
  const coded = (codes === 0 ? elements : Math.min(codes, elements)) / entriesPerToken;
  const exact = elements / entriesPerToken - coded;
  return Math.ceil(exact + constantBytes * coded / saved);
}

/** Whether a policy left every token exact, so that its numbers are those of full precision. */
export function nothingQuantized(
  { code_bits, cache_error }: Pick<SliceNumbers, "code_bits" | "cache_error">,
): boolean {
  // A quantizer that is judged by its bytes alone has no codes.
  return code_bits === 0 && cache_error === 0;
}

/** The middle value; the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Six decimals: below what a float32 model can mean, so that its last bits do not show. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** Number of cache entries of `n` tokens. */
export function cacheElements(
  shape: { layers: number; kvHeads: number; headDim: number },
  n: number,
): number {
  return 2 * shape.layers * shape.kvHeads * shape.headDim * n;
}

/** Entries of one layer and kind per token. */
export function entriesPerToken(shape: Pick<KvShape, "heads" | "headDim">): number {
  return shape.heads * shape.headDim;
}
