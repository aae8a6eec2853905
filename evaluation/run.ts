/**
 * One slice under several policies: prefill and reference pass happen once per example and serve
 * every policy of the run.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import type { KvShape } from "../quant/tensor.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { Planner } from "../policies/plan.ts";
import { quoted } from "../policies/sandbox/sandbox_error.ts";
import type { BudgetState, WorkloadMeta } from "../policies/policy.ts";
import { type Audit, audit } from "../replay/audit.ts";
import { CalibrationCost, type Calibrator } from "../calibration/calibrator.ts";
import type { Engine } from "../engine/engine.ts";
import { replayExample } from "../replay/loop.ts";
import { type ExampleOutcome, type SliceNumbers, summarize } from "../replay/metric.ts";
import type { OpenStore } from "../replay/quantize.ts";
import { freeReference, type Reference, runReference } from "../replay/reference.ts";
import { type ReferenceCache, type StoredReference, uploadReference } from "./reference_cache.ts";
import { type RotaryTables, uploadRotary } from "../engine/rotary.ts";
import { StatsSource } from "../replay/token_stats.ts";

/** An example, ready for the model. */
export interface RunExample {
  readonly id: string;
  readonly dataset: string;
  /** Where the answer lies in the context, 0..1, for needle slices. */
  readonly depth?: number;
  /** Token ids of the rendered prompt. */
  readonly prompt: readonly number[];
  /** Score of an answer's text, 0..1. */
  score(answer: string): number;
}

/** What a run of one slice is given. */
export interface SliceRun<T extends KvShape> {
  readonly slice: string;
  readonly engine: Engine<T>;
  readonly open: OpenStore<T>;
  readonly examples: readonly RunExample[];
  readonly hosts: readonly PolicyHost[];
  readonly maxNewTokens: number;
  readonly budgetBits: number;
  /** Seed of everything that is drawn at random. */
  readonly seed?: number;
  readonly eosIds: readonly number[];
  /** Text of ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  readonly stepwise: boolean;
  /** Whether the buffers of each policy's largest snapshot are counted once more. */
  readonly audit?: boolean;
  /** References on disk; absent with `--no-cache`. */
  readonly cache?: ReferenceCache;
  /** Samples that are never scored, for policies that calibrate. */
  readonly calibration?: Calibrator<T>;
  readonly events?: RunEvents;
  readonly signal?: AbortSignal;
}

/** What a run tells while it goes on. */
export interface RunEvents {
  /** `done` of `total` pieces of work (one example under one policy, or one reference). */
  progress?(done: number, total: number, what: string): void;
  /** A sentence for stderr. */
  notice?(sentence: string): void;
}

/** One example under one policy, with what identifies it. */
export interface NamedOutcome extends ExampleOutcome {
  /** The example's id. */
  readonly id: string;
  /** Its dataset, as LongBench's field names it. */
  readonly dataset: string;
  /** Where the answer lies in the context, 0..1, where the slice says. */
  readonly depth?: number;
}

/** A policy's result on a slice. */
export interface PolicyResult {
  /** Name of the policy. */
  readonly policy: string;
  /** The numbers of the slice. */
  readonly numbers: SliceNumbers;
  /** Every example, in the order of the run. */
  readonly outcomes: readonly NamedOutcome[];
  /** Hooks the policy defines and its families do not use. */
  readonly ignoredHooks: readonly string[];
  /** Where its settings depart from the official rules of their families, as `family: what`. */
  readonly deviations: readonly string[];
  /** Widths of the stored codes at the last step of the last example: `widths[layer][kind][head]`. */
  readonly widths: readonly (readonly (readonly number[])[])[];
  /** The largest snapshot, where an audit was asked for. */
  readonly audit?: Audit;
}

/** What a slice run leaves. */
export interface SliceResult {
  /** Name of the slice. */
  readonly slice: string;
  /** Policies that ran to the end, in the order they were asked for. */
  readonly results: readonly PolicyResult[];
  /** Policies that failed, each with its one sentence. */
  readonly failures: readonly { readonly policy: string; readonly reason: string }[];
  /** Examples that were refused, each with its one sentence. */
  readonly refused: readonly { readonly id: string; readonly reason: string }[];
}

interface PolicyRun {
  readonly host: PolicyHost;
  readonly planner: Planner;
  readonly calibrationCost: CalibrationCost;
  readonly outcomes: NamedOutcome[];
  widths: PolicyResult["widths"];
  audit?: Audit;
}

/** Name of the policy that every other is compared with. */
export const REFERENCE_POLICY = "reference";

/** Runs a slice. */
export async function runSlice<T extends KvShape>(run: SliceRun<T>): Promise<SliceResult> {
  const { engine, events } = run;
  const refused: { id: string; reason: string }[] = [];
  const failures: { policy: string; reason: string }[] = [];
  const examples = run.examples.filter((example) => {
    const reason = refusal(example, run);
    if (reason !== undefined) {
      refused.push({ id: example.id, reason });
      events?.notice?.(reason);
    }
    return reason === undefined;
  });
  if (examples.length === 0) {
    throw new PolicyError(
      `No example of slice ${run.slice} can be run: ${refused[0]?.reason ?? "it is empty"}`,
    );
  }
  const fail = (policy: string, error: unknown) => {
    if (!(error instanceof PolicyError || error instanceof QuantizerError)) throw error;
    const how = error instanceof PolicyError && error.saysHow ? "" : "rejected: ";
    // A message may quote the policy: a name of a setting, say.
    const reason = `Policy ${policy}: ${how}${quoted(error.message, 600)}`;
    failures.push({ policy, reason });
    events?.notice?.(reason);
  };
  const alive: PolicyRun[] = [];
  for (const host of run.hosts) {
    try {
      alive.push(await startPolicy(run, host, examples));
    } catch (error) {
      fail(host.name, error);
    }
  }
  const total = examples.length * (run.hosts.length + 1);
  let done = 0;
  const rope = lazyRotary(run);
  const references = new References(run, examples);
  try {
    for (const [i, example] of examples.entries()) {
      run.signal?.throwIfAborted();
      events?.progress?.(done, total, `${example.id} reference`);
      const reference = await references.get(i);
      done++;
      try {
        const stats = new StatsSource(engine, reference);
        for (const policy of [...alive]) {
          run.signal?.throwIfAborted();
          events?.progress?.(done++, total, `${example.id} ${policy.host.name}`);
          try {
            policy.outcomes.push(await onePolicy(run, policy, example, reference, rope, stats));
          } catch (error) {
            alive.splice(alive.indexOf(policy), 1);
            fail(policy.host.name, error);
          }
        }
      } finally {
        freeReference(engine, reference);
      }
    }
    for (const policy of [...alive]) {
      try {
        await policy.host.verifyDeterminism?.();
      } catch (error) {
        alive.splice(alive.indexOf(policy), 1);
        fail(policy.host.name, error);
      }
    }
    for (const policy of alive) checkPeak(policy);
    events?.progress?.(total, total, "done");
  } finally {
    await references.close();
    run.calibration?.releaseSamples();
    rope.free();
  }
  const reference = alive.find((p) => p.host.fullPrecision);
  // Full precision scores exactly 100, so a run without the reference policy knows it too.
  const quality = reference === undefined ? 100 : summarize(reference.outcomes, 0).quality_main;
  return {
    slice: run.slice,
    results: alive.map((p) => ({
      policy: p.host.name,
      numbers: summarize(p.outcomes, p.calibrationCost.seconds, quality),
      outcomes: p.outcomes,
      ignoredHooks: p.planner.ignoredHooks,
      deviations: p.planner.deviations,
      widths: p.widths,
      ...(p.audit === undefined ? {} : { audit: p.audit }),
    })),
    failures,
    refused,
  };
}

/** The audited sum is the peak that will be reported. */
function checkPeak({ host, audit, outcomes }: PolicyRun): void {
  if (audit === undefined) return;
  const reported = summarize(outcomes, 0).peak_kv_memory_mb;
  if (audit.bytes / 2 ** 20 !== reported) {
    throw new InternalError(
      `Audit of policy ${host.name}: the buffers hold ${audit.bytes / 2 ** 20} MiB, but ` +
        `peak_kv_memory_mb is ${reported}`,
    );
  }
}

function refusal<T extends KvShape>(example: RunExample, run: SliceRun<T>): string | undefined {
  const { maxPositions } = run.engine.shape;
  const needed = example.prompt.length + run.maxNewTokens - 1;
  if (needed <= maxPositions) return undefined;
  return `Example ${example.id} refused: its prompt of ${example.prompt.length} tokens and up to ` +
    `${run.maxNewTokens} new ones need ${needed} positions, the model has ${maxPositions}`;
}

async function startPolicy<T extends KvShape>(
  run: SliceRun<T>,
  host: PolicyHost,
  examples: readonly RunExample[],
): Promise<PolicyRun> {
  const { shape } = run.engine;
  const lengths = examples.map((e) => e.prompt.length);
  const workload: WorkloadMeta = {
    slice: run.slice,
    examples: examples.length,
    mean_prompt_tokens: lengths.reduce((a, b) => a + b, 0) / lengths.length,
    max_prompt_tokens: Math.max(...lengths),
    model: {
      layers: shape.layers,
      query_heads: shape.queryHeads,
      kv_heads: shape.kvHeads,
      head_dim: shape.headDim,
      hidden_size: shape.hidden,
      vocab_size: shape.vocab,
    },
  };
  const budget: BudgetState = {
    budget_bits: run.budgetBits,
    used_bits: 0,
    remaining_bits: run.budgetBits,
    step: 0,
    total_steps: null,
    layers: shape.layers,
    kv_heads: shape.kvHeads,
    head_dim: shape.headDim,
  };
  const mode = await host.calibrationMode(workload, budget);
  let calibration: unknown;
  const calibrationCost = new CalibrationCost();
  if (mode === "offline" && host.calibrates) {
    if (run.calibration === undefined) {
      throw new PolicyError(`calibration_mode is "${mode}", but this run has no calibration set`);
    }
    const statistics = await run.calibration.statistics();
    calibrationCost.add(statistics);
    const start = performance.now();
    calibration = await host.calibrate(statistics.value);
    calibrationCost.addSeconds((performance.now() - start) / 1000);
  }
  const planner = new Planner(
    host,
    { heads: shape.kvHeads, headDim: shape.headDim, layers: shape.layers },
    {
      budgetBits: run.budgetBits,
      calibrationMode: mode,
      ...(run.seed === undefined ? {} : { seed: run.seed }),
      ...(calibration === undefined ? {} : { calibration }),
    },
    run.calibration === undefined ? undefined : async (settings) => {
      const learned = await run.calibration!.family(settings);
      calibrationCost.add(learned);
      return learned.value;
    },
  );
  return { host, planner, calibrationCost, outcomes: [], widths: [] };
}

async function onePolicy<T extends KvShape>(
  run: SliceRun<T>,
  policy: PolicyRun,
  example: RunExample,
  reference: Reference<T>,
  rope: { get(): RotaryTables<T> },
  stats: StatsSource<T>,
): Promise<NamedOutcome> {
  const { engine, open, eosIds } = run;
  const replayed = await replayExample({
    engine,
    open,
    reference,
    planner: policy.planner,
    rope: rope.get,
    request: { slice: run.slice, dataset: example.dataset, max_new_tokens: run.maxNewTokens },
    budgetBits: run.budgetBits,
    attentionStats: policy.host.hooks.includes("use_attentions"),
    stepwise: run.stepwise,
    stats,
  });
  policy.widths = replayed.widths;
  if (run.audit && replayed.peak.bytes > (policy.audit?.bytes ?? -1)) {
    policy.audit = await audit({
      engine,
      open,
      reference,
      rope: rope.get,
      policy: policy.host.name,
      example: example.id,
      peak: replayed.peak,
      answersOf: (cell) => cell === "exact" ? undefined : policy.planner.answersOf(cell),
    });
  }
  const answer = (ids: readonly number[]) => {
    const end = ids.findIndex((id) => eosIds.includes(id));
    return run.decode(end < 0 ? ids : ids.slice(0, end));
  };
  return {
    id: example.id,
    dataset: example.dataset,
    ...(example.depth === undefined ? {} : { depth: example.depth }),
    steps: replayed.steps,
    seconds: replayed.seconds,
    score: example.score(answer(replayed.steps.map((s) => s.token))),
    referenceScore: example.score(answer(reference.tokens)),
    prefillMs: reference.prefillMs,
  };
}

/** References in order; the next one is read from disk while the present one is replayed. */
class References<T extends KvShape> {
  #next: { index: number; stored: Promise<StoredReference | undefined> } | undefined;

  constructor(
    private readonly run: SliceRun<T>,
    private readonly examples: readonly RunExample[],
  ) {}

  async get(index: number): Promise<Reference<T>> {
    const { run } = this;
    const { engine, cache, maxNewTokens, eosIds } = run;
    const { prompt } = this.examples[index]!;
    if (cache === undefined) return await runReference(engine, prompt, maxNewTokens, eosIds);
    const stored = await (this.#next?.index === index ? this.#next.stored : this.#read(index));
    this.#next = index + 1 < this.examples.length
      ? { index: index + 1, stored: this.#read(index + 1) }
      : undefined;
    if (stored !== undefined) return uploadReference(engine, prompt, stored);
    const reference = await runReference(engine, prompt, maxNewTokens, eosIds);
    const key = await cache.key(engine.fingerprint, prompt, maxNewTokens, eosIds);
    await cache.save(key, engine, reference);
    return reference;
  }

  async #read(index: number): Promise<StoredReference | undefined> {
    const { engine, cache, maxNewTokens, eosIds } = this.run;
    const { prompt } = this.examples[index]!;
    const key = await cache!.key(engine.fingerprint, prompt, maxNewTokens, eosIds);
    return await cache!.load(key, prompt, engine.shape);
  }

  async close(): Promise<void> {
    await this.#next?.stored.catch(() => {});
  }
}

/** Rotary tables for the longest snapshot of a run, made when a family first asks. */
function lazyRotary<T extends KvShape>(
  run: SliceRun<T>,
): { get(): RotaryTables<T>; free(): void } {
  const { engine } = run;
  let tables: RotaryTables<T> | undefined;
  return {
    get: () => {
      const positions = Math.max(...run.examples.map((e) => e.prompt.length)) + run.maxNewTokens;
      return tables ??= uploadRotary(
        engine.backend,
        Math.min(positions, engine.shape.maxPositions),
        engine.shape.headDim,
        engine.shape.ropeTheta,
      );
    },
    free: () => {
      if (tables === undefined) return;
      engine.backend.free(tables.cos);
      engine.backend.free(tables.sin);
    },
  };
}
