/**
 * One policy on one slice: its calibration, its examples, and what they add up to.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import type { CalibrationSetFacts } from "../calibration/calibration_file.ts";
import type { CalibrationCost } from "../calibration/calibrator.ts";
import type { Rotary } from "../engine/rotary.ts";
import type { Allowance } from "../policies/allowance.ts";
import type { PolicyHost } from "../policies/host.ts";
import type { Planner } from "../policies/plan.ts";
import type { WorkloadMeta } from "../policies/policy.ts";
import type { Families } from "../quant/registry.ts";
import type { KvShape } from "../quant/tensor.ts";
import { type Audit, audit } from "../replay/audit.ts";
import type { StoredWidths } from "../replay/ledger.ts";
import { replayExample } from "../replay/loop.ts";
import {
  cacheElements,
  nothingQuantized,
  type SliceFacts,
  type SliceNumbers,
  summarize,
} from "../replay/metric.ts";
import { modelMeta } from "../replay/question_at.ts";
import { type OpenStore, storesBeside } from "../replay/quantize.ts";
import { generate, type GenerateInput } from "../replay/generate.ts";
import type { Reference } from "../replay/reference.ts";
import type { TextSpan } from "../replay/text_reference.ts";
import type { StatsSource } from "../replay/token_stats.ts";
import type { GeneratedReply, NamedOutcome, PolicyResult } from "./results.ts";
import { type PolicyStart, startPolicy } from "./started_policy.ts";
import { TextLosses } from "./text_losses.ts";

/** Scores by name, 0..1 each. */
type Scores = Readonly<Record<string, number>>;

/** An example, ready for the model. */
export interface RunExample {
  readonly id: string;
  readonly dataset: string;
  /** Where the answer lies in the context, 0..1, for needle slices. */
  readonly depth?: number;
  /** Token ids of the rendered prompt. */
  readonly prompt: readonly number[];
  /** A text of which tokens are scored, instead of a prompt that is answered. */
  readonly text?: TextSpan;
  /** Why it cannot be run, when that was plain before there were tokens; there are none then. */
  readonly refusal?: string;
  /** What ends a reply beside an end token; it and what follows are no part of the reply. */
  readonly stop?: RegExp;
  /** What the example is counted with beside all. */
  readonly group?: string;
  /** Score of an answer's text, 0..1, when the reference answers `reference`. */
  score(answer: string, reference: string): number | Promise<number>;
  /** Other scores of an answer's text by name, 0..1 each. */
  scores?(answer: string): Scores | Promise<Scores>;
  /** Whether an answer's text is one that can be right at all; absent: any that is not blank. */
  valid?(answer: string): boolean | Promise<boolean>;
}

/** What every policy of a run shares. */
export interface RunSettings<T extends KvShape> extends PolicyStart<T> {
  /** Name under which results are reported. */
  readonly slice: string;
  /** Longest answer, in tokens. */
  readonly maxNewTokens: number;
  /** Ids that end an answer. */
  readonly eosIds: readonly number[];
  /** Text of ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** Whether every step has stores and a pass of its own. */
  readonly stepwise: boolean;
  /** Whether the buffers of each policy's largest snapshot are counted once more. */
  readonly audit?: boolean;
  /** Whether replies are also decoded from the policy's own cache. */
  readonly generate?: boolean;
}

/** An example's full-precision run, and what the policies of a run share of it. */
export interface ReadyExample<T extends KvShape> {
  readonly example: RunExample;
  readonly reference: Reference<T>;
  readonly rope: Rotary<T>;
  readonly stats: StatsSource<T>;
}

/** What a policy's run knows beside its outcomes. */
export interface PolicyState {
  readonly widths: StoredWidths;
  readonly peakBytes: number;
  readonly constantBytes: number;
  readonly audit?: Audit;
  readonly calibrationSeconds: number;
  readonly calibration: readonly CalibrationSetFacts[];
  readonly ignoredHooks: readonly string[];
  readonly remarks: readonly string[];
  readonly deviations: readonly string[];
  readonly drawsAtRandom: boolean;
}

/** A policy while its slice is run. */
export class PolicyRun<T extends KvShape> {
  readonly #outcomes: NamedOutcome[] = [];
  readonly #open: OpenStore<T>;
  #widths: StoredWidths = [];
  /** Bytes of the largest snapshot so far, and what decoding needs besides it. */
  #peakBytes = -1;
  #constantBytes = 0;
  #audit: Audit | undefined;
  /** Of an earlier process, where the run goes on from one. */
  #before: PolicyState | undefined;

  private constructor(
    private readonly run: RunSettings<T>,
    readonly host: PolicyHost,
    private readonly planner: Planner,
    private readonly cost: CalibrationCost,
    private readonly families: Families,
    private readonly allowance: Allowance,
  ) {
    this.#open = storesBeside(run.engine, families);
  }

  /**
   * Lets a policy calibrate, if it wants to.
   *
   * @throws {PolicyError} when it cannot be run
   */
  static async start<T extends KvShape>(
    run: RunSettings<T>,
    host: PolicyHost,
    examples: readonly RunExample[],
  ): Promise<PolicyRun<T>> {
    const { planner, cost, families, allowance } = await startPolicy(
      run,
      host,
      workloadOf(run, examples),
    );
    return new PolicyRun(run, host, planner, cost, families, allowance);
  }

  /** Takes an example that an earlier process has replayed, and what it knew then. */
  resume(outcome: NamedOutcome, state: PolicyState): void {
    this.#outcomes.push(outcome);
    this.#before = state;
    this.#widths = state.widths;
    this.#peakBytes = state.peakBytes;
    this.#constantBytes = state.constantBytes;
    this.#audit = state.audit;
  }

  /** The last outcome. */
  get last(): NamedOutcome {
    return this.#outcomes.at(-1)!;
  }

  /** What is known beside the outcomes, for `resume`. */
  get state(): PolicyState {
    const before = this.#before;
    const sets = before?.calibration ?? [];
    const all = (some: readonly string[] = [], more: readonly string[]) => [
      ...new Set([...some, ...more]),
    ];
    return {
      widths: this.#widths,
      peakBytes: this.#peakBytes,
      constantBytes: this.#constantBytes,
      ...(this.#audit === undefined ? {} : { audit: this.#audit }),
      calibrationSeconds: Math.max(before?.calibrationSeconds ?? 0, this.cost.seconds),
      calibration: [
        ...sets,
        ...this.cost.sets.filter(({ sha256 }) => sets.every((set) => set.sha256 !== sha256)),
      ],
      ignoredHooks: all(before?.ignoredHooks, this.planner.ignoredHooks),
      remarks: all(before?.remarks, this.planner.remarks),
      deviations: all(before?.deviations, this.planner.deviations),
      drawsAtRandom: (before?.drawsAtRandom ?? false) || this.planner.draws,
    };
  }

  /** Replays an example. */
  async replay(ready: ReadyExample<T>): Promise<void> {
    await this.allowance.working(() => this.#replay(ready));
  }

  async #replay({ example, reference, rope, stats }: ReadyExample<T>): Promise<void> {
    const { engine, slice, maxNewTokens, budgetBits, stepwise } = this.run;
    const shared = {
      engine,
      open: this.#open,
      reference,
      planner: this.planner,
      rope: rope.get,
      request: { slice, dataset: example.dataset, max_new_tokens: maxNewTokens },
      budgetBits,
      mostCodeBits: this.host.outsideBudget ? Infinity : budgetBits,
      attentionStats: this.host.hooks.includes("use_attentions"),
    };
    const losses = example.text === undefined ? undefined : new TextLosses(reference, engine.shape);
    const replayed = await replayExample({
      ...shared,
      stepwise,
      stats,
      ...(losses === undefined ? {} : { seen: losses.add }),
    });
    const { calibration, aside = (work) => work() } = this.run;
    if (calibration !== undefined) await aside(() => calibration.keep());
    this.#widths = replayed.widths;
    const { peak } = replayed;
    if (peak.bytes > this.#peakBytes) {
      this.#peakBytes = peak.bytes;
      this.#constantBytes = peak.constantBytes;
      if (this.run.audit) {
        this.#audit = await audit({
          engine,
          open: this.#open,
          reference,
          rope: rope.get,
          policy: this.host.name,
          example: example.id,
          peak,
          answersOf: (settings) => this.planner.answersOf(settings),
          familyOf: ({ family }) => this.families.of(family),
        });
      }
    }
    const generated = this.run.generate === true && losses === undefined
      ? await this.#generated(shared, example)
      : undefined;
    const { text: reply, cut } = this.#reply(replayed.steps.map((s) => s.token), example);
    const { text: referenceReply, cut: referenceCut } = this.#reply(reference.tokens, example);
    this.#outcomes.push({
      id: example.id,
      dataset: example.dataset,
      ...(example.depth === undefined ? {} : { depth: example.depth }),
      steps: replayed.steps,
      seconds: replayed.seconds,
      headErrors: replayed.headErrors,
      ...(example.group === undefined ? {} : { group: example.group }),
      reply,
      referenceReply,
      cut,
      referenceCut,
      score: await example.score(reply, referenceReply),
      referenceScore: await example.score(referenceReply, referenceReply),
      ...(example.scores === undefined ? {} : {
        scores: await example.scores(reply),
        referenceScores: await example.scores(referenceReply),
      }),
      prefillMs: reference.prefillMs,
      ...(generated === undefined ? {} : { generated }),
      ...losses?.outcome(replayed.steps.map(({ token }) => token)),
    });
  }

  /** Decodes the reply once more, from the policy's own cache. */
  async #generated(
    shared: Omit<GenerateInput<T>, "maxNewTokens" | "ended">,
    example: RunExample,
  ): Promise<GeneratedReply> {
    const { maxNewTokens, eosIds, decode } = this.run;
    const { reference } = shared;
    const tokens = await generate({
      ...shared,
      maxNewTokens,
      ended: (ids) => eosIds.includes(ids.at(-1)!) || (example.stop?.test(decode(ids)) ?? false),
    });
    const { text: reply, cut } = this.#reply(tokens, example);
    const { text: referenceReply } = this.#reply(reference.tokens, example);
    const isValid = async (text: string) =>
      example.valid === undefined ? text.trim() !== "" : await example.valid(text);
    const apart = tokens.findIndex((token, i) => token !== reference.tokens[i]);
    const divergence = apart >= 0 ? apart : Math.min(tokens.length, reference.tokens.length);
    return {
      tokens,
      reply,
      cut,
      score: await example.score(reply, referenceReply),
      valid: await isValid(reply),
      referenceValid: await isValid(referenceReply),
      divergence: apart < 0 && tokens.length === reference.tokens.length ? null : divergence,
    };
  }

  /** Text of a reply up to what ends it, and whether nothing did. */
  #reply(ids: readonly number[], { stop }: RunExample): { text: string; cut: boolean } {
    const { eosIds, decode } = this.run;
    const end = ids.findIndex((id) => eosIds.includes(id));
    const text = decode(end < 0 ? ids : ids.slice(0, end));
    const stopped = stop === undefined ? -1 : text.search(stop);
    return stopped < 0 ? { text, cut: end < 0 } : { text: text.slice(0, stopped), cut: false };
  }

  /**
   * What can only be said when all examples are done.
   *
   * @throws {PolicyError} when the policy answers otherwise the second time
   * @throws {InternalError} when the audited sum is not the peak that will be reported
   */
  async finish(): Promise<void> {
    await this.host.verifyDeterminism?.();
    if (this.#audit === undefined) return;
    const reported = this.#summary();
    const held = {
      peak_kv_memory_mb: this.#audit.bytes / 2 ** 20,
      constants_mb: this.#audit.constantBytes / 2 ** 20,
    };
    for (const field of ["peak_kv_memory_mb", "constants_mb"] as const) {
      if (held[field] === reported[field]) continue;
      throw new InternalError(
        `Audit of policy ${this.host.name}: the buffers hold ${held[field]} MiB, but ` +
          `${field} is ${reported[field]}`,
      );
    }
  }

  /** `quality_main` so far. */
  get quality(): number {
    return this.#summary().quality_main;
  }

  #summary(facts: Pick<Partial<SliceFacts>, "referenceQuality" | "leftOut"> = {}): SliceNumbers {
    const { layers, kvHeads, headDim } = this.run.engine.shape;
    return summarize(this.#outcomes, {
      calibrationSeconds: this.state.calibrationSeconds,
      constants: {
        bytes: this.#constantBytes,
        entriesPerToken: cacheElements({ layers, kvHeads, headDim }, 1),
      },
      fullPrecision: this.host.fullPrecision,
      ...facts,
    });
  }

  /**
   * Its result so far.
   *
   * @param referenceQuality `quality_main` of full precision
   * @param leftOut examples of the slice that were not replayed
   */
  result(referenceQuality: number, leftOut: number): PolicyResult {
    const { outsideBudget, claimed = false } = this.host;
    const { budgetBits } = this.run;
    const numbers = this.#summary({ referenceQuality, leftOut });
    const { ignoredHooks, remarks, deviations, calibration, drawsAtRandom } = this.state;
    return {
      policy: this.host.name,
      numbers,
      outsideBudget,
      claimed,
      outcomes: [...this.#outcomes],
      ignoredHooks,
      remarks: [
        ...this.host.remarks,
        ...remarks,
        ...nothingQuantized(numbers)
          ? ["nothing was quantized: every token was among those kept exact"]
          : [],
        ...outsideBudget
          ? [`outside the budget of ${budgetBits} bits, as an engine's setting is`]
          : [],
        ...claimed ? ["its bits and memory are claimed, not stored"] : [],
      ],
      deviations,
      widths: this.#widths,
      calibration,
      drawsAtRandom,
      ...(this.#audit === undefined ? {} : { audit: this.#audit }),
    };
  }
}

function workloadOf<T extends KvShape>(
  { slice, engine: { shape } }: RunSettings<T>,
  examples: readonly RunExample[],
): WorkloadMeta {
  const lengths = examples.map((e) => e.prompt.length);
  return {
    slice,
    examples: examples.length,
    mean_prompt_tokens: lengths.reduce((a, b) => a + b, 0) / lengths.length,
    max_prompt_tokens: Math.max(...lengths),
    model: modelMeta(shape),
  };
}
