/**
 * What a run leaves: numbers, and every outcome behind them.
 *
 * @module
 */
import type { CalibrationSetFacts } from "../calibration/calibration_file.ts";
import type { Audit } from "../replay/audit.ts";
import type { HeadErrors } from "../replay/head_errors.ts";
import type { StoredWidths } from "../replay/ledger.ts";
import type { ExampleOutcome, SliceNumbers } from "../replay/metric.ts";

/**
 * One example under one policy, with what identifies it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type NamedOutcome, open } from "@kvreplay/kvreplay";
 * import { policies } from "@kvreplay/kvreplay/policies";
 *
 * const changed = (outcomes: readonly NamedOutcome[]) =>
 *   outcomes.filter(({ reply, referenceReply }) => reply !== referenceReply).map(({ id }) => id);
 * const policy = { ...policies.uniform_quant_2bit(), choose_bits: () => 1 };
 * await using lab = await open("mini", { device: "cpu" });
 * const { outcomes } = await lab.replay("reasoning", policy, { limit: 2 });
 * assertEquals(changed(outcomes), ["reasoning-000", "reasoning-001"]);
 * ```
 */
export interface NamedOutcome extends ExampleOutcome {
  /** The example's id. */
  readonly id: string;
  /** Its dataset, as LongBench's field names it. */
  readonly dataset: string;
  /** Where the answer lies in the context, 0..1, where the slice says. */
  readonly depth?: number;
  /** What it is counted with beside all: a length, a subject; where its benchmark says. */
  readonly group?: string;
  /** Text of the replayed answer, up to its first end token or what else ends it. */
  readonly reply: string;
  /** The same of the reference's answer. */
  readonly referenceReply: string;
  /** Whether nothing ended the replayed answer: it was cut at the longest length. */
  readonly cut: boolean;
  /** The same of the reference's answer. */
  readonly referenceCut: boolean;
  /** What each head of each layer lost, `[layer][kind][head]`, keys before values. */
  readonly headErrors: HeadErrors;
  /** Other scores of the replayed answer by name, 0..1 each, where its benchmark has them. */
  readonly scores?: Readonly<Record<string, number>>;
  /** The same of the reference's answer. */
  readonly referenceScores?: Readonly<Record<string, number>>;
  /** The reply as it is decoded from the policy's own cache, where that was asked for. */
  readonly generated?: GeneratedReply;
  /** Of a text: negative log-likelihood of the next token at every scored position, in nats. */
  readonly nll?: readonly number[];
  /** The same in full precision. */
  readonly referenceNll?: readonly number[];
}

/**
 * A reply that was decoded from a policy's own cache, errors adding up.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type GeneratedReply, open } from "@kvreplay/kvreplay";
 *
 * const same = ({ divergence }: GeneratedReply) => divergence === null;
 * const prompt = "A machine uses 7 watts. How many joules does it use in 5 seconds?";
 * await using lab = await open("mini", { device: "cpu" });
 * const { outcomes } = await lab.replay({ prompt }, "reference", { generate: true });
 * assertEquals(same(outcomes[0]!.generated!), true);
 * ```
 */
export interface GeneratedReply {
  /** Token ids, the end token included when there was one. */
  readonly tokens: readonly number[];
  /** Its text, up to what ends it. */
  readonly reply: string;
  /** Whether nothing ended it. */
  readonly cut: boolean;
  /** Its score, 0..1. */
  readonly score: number;
  /** Whether it is a reply that can be right at all. */
  readonly valid: boolean;
  /** The same of the reference's. */
  readonly referenceValid: boolean;
  /** The first token that is not the reference's, from 0; null where all are. */
  readonly divergence: number | null;
}

/**
 * A policy's result on a slice.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type PolicyResult } from "@kvreplay/kvreplay";
 * import { policies } from "@kvreplay/kvreplay/policies";
 *
 * const warnings = ({ ignoredHooks, remarks }: PolicyResult) => [...ignoredHooks, ...remarks];
 * // `uniform` clips nothing.
 * const policy = { ...policies.uniform_quant_2bit(), clip_ratio: () => 0.9 };
 * await using lab = await open("mini", { device: "cpu" });
 * const result = await lab.replay({ prompt: "Why?" }, policy, { maxNewTokens: 2 });
 * assertEquals(warnings(result), ["clip_ratio (uniform)"]);
 * ```
 */
export interface PolicyResult {
  /** Name of the policy. */
  readonly policy: string;
  /** The numbers of the slice. */
  readonly numbers: SliceNumbers;
  /** Whether it stands for an engine's setting, of any width, and is ranked among no others. */
  readonly outsideBudget: boolean;
  /** Whether its bits and memory are what it claims: nothing was stored. */
  readonly claimed: boolean;
  /** Every example, in the order of the run. */
  readonly outcomes: readonly NamedOutcome[];
  /** Hooks the policy defines and its families do not use. */
  readonly ignoredHooks: readonly string[];
  /** What the policy's author should know besides, one clause each: a method that nothing asks for. */
  readonly remarks: readonly string[];
  /** Where its settings depart from the official rules of their families, as `family: what`. */
  readonly deviations: readonly string[];
  /** Widths of the stored codes at the last step of the last example. */
  readonly widths: StoredWidths;
  /** What it and its families learned from; nothing for a policy that learns nothing. */
  readonly calibration: readonly CalibrationSetFacts[];
  /** Whether the run's seed decides anything: a random rotation follows from it. */
  readonly drawsAtRandom: boolean;
  /** The same under further seeds, where they were asked for and the seed decides anything. */
  readonly repeats?: readonly SeedRun[];
  /** The largest snapshot, where an audit was asked for. */
  readonly audit?: Audit;
}

/**
 * A policy's result on a slice under a further seed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type SeedRun } from "@kvreplay/kvreplay";
 *
 * const seedsOf = (runs: readonly SeedRun[]) => runs.map(({ seed }) => seed);
 * await using lab = await open("mini", { device: "cpu" });
 * const options = { seeds: 3, maxNewTokens: 2 };
 * const { repeats } = await lab.replay({ prompt: "Why?" }, "turboquant_3bit", options);
 * assertEquals(seedsOf(repeats!), [1, 2]);
 * ```
 */
export interface SeedRun {
  /** What everything that is drawn at random followed from. */
  readonly seed: number;
  /** The numbers of the slice. */
  readonly numbers: SliceNumbers;
  /** Every example, in the order of the run. */
  readonly outcomes: readonly NamedOutcome[];
}

/**
 * What a run of one slice leaves.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type SliceResult } from "@kvreplay/kvreplay";
 *
 * const ranked = ({ results }: SliceResult) =>
 *   results.toSorted((a, b) => b.numbers.quality_main - a.numbers.quality_main)
 *     .map(({ policy }) => policy);
 * await using lab = await open("mini", { device: "cpu" });
 * const names = ["uniform_quant_2bit", "uniform_quant_4bit"] as const;
 * const run = await lab.replay({ prompt: "Why?" }, names, { maxNewTokens: 4 });
 * assertEquals(ranked(run), ["uniform_quant_4bit", "uniform_quant_2bit"]);
 * ```
 */
export interface SliceResult {
  /** Name of the slice. */
  readonly slice: string;
  /** Policies that ran to the end, in the order they were asked for. */
  readonly results: readonly PolicyResult[];
  /** Policies that failed, each with its one sentence. */
  readonly failures: readonly { readonly policy: string; readonly reason: string }[];
  /** Built-in policies that were passed over, since they do not apply to the model or the budget. */
  readonly notApplicable: readonly { readonly policy: string; readonly reason: string }[];
  /** Examples that were left out, too long for the model or not finite in it, each with its one sentence. */
  readonly refused: readonly { readonly id: string; readonly reason: string }[];
  /** Present while a run goes on, or when it ended early: the results are those of some of its examples. */
  readonly partial?: true;
}
