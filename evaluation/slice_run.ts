/**
 * One slice under several policies: prefill and reference pass happen once per example and serve
 * every policy of the run. A policy that fails is told and left out; the others go on.
 *
 * @module
 */
import type { ModelShape } from "../engine/engine.ts";
import { Rotary } from "../engine/rotary.ts";
import { sha256 } from "../engine/digest.ts";
import { PolicyError } from "../policies/check.ts";
import { CONTRACT_VERSION } from "../policies/contract.ts";
import type { PolicyHost } from "../policies/host.ts";
import { quoted, SandboxError } from "../sandbox/sandbox_error.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import type { KvShape } from "../quant/tensor.ts";
import { freeReference, notFiniteIn } from "../replay/reference.ts";
import { StatsSource } from "../replay/token_stats.ts";
import type { ReferenceCache } from "./cache/reference_cache.ts";
import { misfitOf } from "./misfit.ts";
import { PolicyRun, type RunExample, type RunSettings } from "./policy_run.ts";
import { References } from "./references.ts";
import { type FinishedExample, RunJournal } from "./run_journal.ts";
import { TimeLeft } from "./time_left.ts";
import type { SliceResult } from "./results.ts";

/** What a run of one slice is given. */
export interface SliceRun<T extends KvShape> extends RunSettings<T> {
  readonly examples: readonly RunExample[];
  readonly hosts: readonly PolicyHost[];
  /** Policies that are passed over where they do not apply; any other fails there. */
  readonly passOver?: readonly string[];
  /** References on disk; absent with `--no-cache`. */
  readonly cache?: ReferenceCache;
  readonly events?: RunEvents;
  readonly signal?: AbortSignal;
  /** File in which finished examples are kept, and found by a run that goes on. */
  readonly journal?: string;
}

/** What a run tells while it goes on. */
export interface RunEvents {
  /** `done` of `total` pieces of work (one example under one policy, or one reference). */
  progress?(done: number, total: number, what: string): void;
  /** A sentence for stderr. */
  notice?(sentence: string): void;
  /** What is finished, after every example that the policies have replayed. */
  partial?(result: SliceResult): void;
  /** How long the examples that are left will take, as those before did, after every example. */
  timeLeft?(seconds: number, examples: number): void;
}

/**
 * Runs a slice.
 *
 * @throws {PolicyError} when no example fits the model, or all are not finite in it
 * @throws the signal's reason when it is aborted
 */
export async function runSlice<T extends KvShape>(run: SliceRun<T>): Promise<SliceResult> {
  const { engine, events, signal } = run;
  signal?.throwIfAborted();
  const refused: Refused[] = [];
  const refuse = (id: string, reason: string) => {
    refused.push({ id, reason });
    events?.notice?.(reason);
  };
  const examples = run.examples.filter((example) => {
    const reason = refusalOf(example, run.maxNewTokens, engine.shape);
    if (reason !== undefined) refuse(example.id, reason);
    return reason === undefined;
  });
  if (examples.length === 0) throw noExample(run.slice, refused);
  using journal = await openJournal(run, examples);
  const policies = new Policies<T>(events);
  const { families, budgetBits } = run;
  const fitting: PolicyHost[] = [];
  for (const host of run.hosts) {
    const misfit = await misfitOf(host, { shape: engine.shape, families, budgetBits });
    if (misfit === undefined) fitting.push(host);
    else if (run.passOver?.includes(host.name)) policies.passOver(host, misfit);
    else policies.reject(host, misfit);
  }
  const left = new TimeLeft(examples.map(({ prompt }) => prompt.length + run.maxNewTokens));
  const aside = <V>(work: () => Promise<V>) => left.aside(work);
  const references = new References(run, examples);
  if (fitting.length > 0) {
    const longest = Math.max(...examples.map(({ prompt }) => prompt.length));
    const said = [
      await references.shortage(),
      await engine.checkRoom?.(longest, run.maxNewTokens),
    ];
    for (const sentence of said) if (sentence !== undefined) events?.notice?.(sentence);
  }
  const learners = fitting.filter(({ calibrates }) => calibrates);
  for (const host of fitting) {
    signal?.throwIfAborted();
    if (host.calibrates) {
      const what = `${host.name} learns from the calibration set`;
      events?.progress?.(learners.indexOf(host), learners.length, what);
    }
    await policies.start(host, () => PolicyRun.start({ ...run, aside }, host, examples));
  }
  const total = examples.length * (fitting.length + 1);
  let done = 0;
  const longest = Math.max(...run.examples.map((e) => e.prompt.length)) + run.maxNewTokens;
  const rope = new Rotary(engine, longest);
  const partial = () => {
    if (policies.alive.length === 0) return;
    events?.partial?.({ ...resultOf(run.slice, policies, refused), partial: true });
  };
  try {
    const finished = journal?.finished ?? [];
    for (const { id, refused: reason, policies: replayed, failures } of finished) {
      if (reason !== undefined) refuse(id, reason);
      policies.resume(replayed, failures);
    }
    if (finished.length > 0) {
      done += finished.length * (fitting.length + 1);
      events?.notice?.(
        `Slice ${run.slice} goes on behind ${finished.length} of ${examples.length} examples that ` +
          `an earlier run has finished`,
      );
      partial();
    }
    for (const [i, example] of examples.entries()) {
      signal?.throwIfAborted();
      if (policies.alive.length === 0) break;
      if (i < finished.length) continue;
      left.begin();
      const failedBefore = policies.failures.length;
      events?.progress?.(done, total, `${example.id} reference`);
      const reference = await references.get(i);
      done++;
      try {
        const wrong = await notFiniteIn(engine, reference);
        if (wrong !== undefined) {
          const reason =
            `Example ${example.id} left out: in full precision the model's ${wrong} are not finite`;
          refuse(example.id, reason);
          journal?.add({ id: example.id, refused: reason, policies: [], failures: [] });
          done += fitting.length;
          continue;
        }
        const ready = { example, reference, rope, stats: new StatsSource(engine, reference) };
        await policies.each((policy) => {
          signal?.throwIfAborted();
          events?.progress?.(done++, total, `${example.id} ${policy.host.name}`);
          return policy.replay(ready);
        });
        journal?.add({
          id: example.id,
          policies: policies.alive.map((policy) => ({
            policy: policy.host.name,
            outcome: policy.last,
            state: policy.state,
          })),
          failures: policies.failures.slice(failedBefore),
        });
        partial();
        left.end(i);
        if (i + 1 < examples.length) {
          events?.timeLeft?.(left.seconds(i + 1), examples.length - i - 1);
        }
      } finally {
        freeReference(engine, reference);
      }
    }
    if (refused.length === run.examples.length) throw noExample(run.slice, refused);
    await policies.each((policy) => policy.finish());
    events?.progress?.(total, total, "done");
  } finally {
    await references.close();
    run.calibration?.releaseSamples();
    rope.free();
  }
  return resultOf(run.slice, policies, refused);
}

function resultOf<T extends KvShape>(
  slice: string,
  { alive, failures, notApplicable }: Policies<T>,
  refused: readonly Refused[],
): SliceResult {
  const reference = alive.find((p) => p.host.fullPrecision);
  // Full precision scores exactly 100, so a run without the reference policy knows it too.
  const quality = reference?.quality ?? 100;
  return {
    slice,
    results: alive.map((p) => p.result(quality, refused.length)),
    failures: [...failures],
    notApplicable: [...notApplicable],
    refused: [...refused],
  };
}

type Refused = SliceResult["refused"][number];

function noExample(slice: string, refused: readonly Refused[]): PolicyError {
  return new PolicyError(
    `No example of slice ${slice} can be run: ${refused[0]?.reason ?? "it is empty"}`,
  );
}

/** The journal of a run; undefined where none is kept. */
async function openJournal<T extends KvShape>(
  run: SliceRun<T>,
  examples: readonly RunExample[],
): Promise<RunJournal | undefined> {
  if (run.journal === undefined) return undefined;
  const { engine, slice, maxNewTokens, budgetBits, seed, stepwise, audit, generate } = run;
  const decides = {
    contract: CONTRACT_VERSION,
    ...{ engine: engine.fingerprint, device: engine.device, gpu: engine.gpuName },
    ...{ slice, maxNewTokens, budgetBits, seed, stepwise, audit, generate, eosIds: run.eosIds },
    policies: run.hosts.map(({ name }) => name),
    learnedFrom: (await run.calibration?.facts())?.sha256,
    examples: examples.map(({ id, dataset, prompt, text, stop, group, depth }) => [
      ...[id, dataset, prompt, text, stop?.source, group, depth],
    ]),
  };
  const journal = await RunJournal.open(run.journal, await sha256(JSON.stringify(decides)));
  if (journal === undefined) {
    run.events?.notice?.(
      `Another run writes to ${run.journal}: this one cannot go on from where it is stopped`,
    );
  }
  return journal;
}

/** Why an example cannot be run, such as that the model has no positions for it; else undefined. */
export function refusalOf(
  { id, prompt, refusal }: Pick<RunExample, "id" | "prompt" | "refusal">,
  maxNewTokens: number,
  { maxPositions }: Pick<ModelShape, "maxPositions">,
): string | undefined {
  if (refusal !== undefined) return refusal;
  if (prompt.length === 0) {
    return `Example ${id} refused: its prompt has no tokens; it must have at least one`;
  }
  const needed = prompt.length + maxNewTokens - 1;
  if (needed <= maxPositions) return undefined;
  return `Example ${id} refused: its prompt of ${prompt.length} tokens and up to ` +
    `${maxNewTokens} new ones need ${needed} positions, the model has ${maxPositions}`;
}

/** What a host runs, in a sentence: one that brings its family is a quantizer. */
function called({ name, family }: PolicyHost): string {
  return `${family === undefined ? "Policy" : "Quantizer"} ${name}`;
}

/** The policies of a run that have not failed. */
class Policies<T extends KvShape> {
  readonly alive: PolicyRun<T>[] = [];
  readonly failures: { readonly policy: string; readonly reason: string }[] = [];
  readonly notApplicable: { readonly policy: string; readonly reason: string }[] = [];

  constructor(private readonly events: RunEvents | undefined) {}

  async start(host: PolicyHost, open: () => Promise<PolicyRun<T>>): Promise<void> {
    try {
      this.alive.push(await open());
    } catch (error) {
      this.#fail(host, error);
    }
  }

  /** Does something with each; those that fail at it are no longer alive. */
  async each(work: (policy: PolicyRun<T>) => Promise<void>): Promise<void> {
    for (const policy of [...this.alive]) {
      try {
        await work(policy);
      } catch (error) {
        this.#fail(policy.host, error);
        this.alive.splice(this.alive.indexOf(policy), 1);
      }
    }
  }

  /** Takes what an earlier process has finished of an example. */
  resume(
    replayed: FinishedExample["policies"],
    failures: FinishedExample["failures"],
  ): void {
    for (const { policy, outcome, state } of replayed) {
      this.alive.find(({ host }) => host.name === policy)?.resume(outcome, state);
    }
    for (const failure of failures) {
      const failed = this.alive.findIndex(({ host }) => host.name === failure.policy);
      if (failed < 0) continue;
      this.alive.splice(failed, 1);
      this.failures.push(failure);
      this.events?.notice?.(failure.reason);
    }
  }

  passOver(host: PolicyHost, why: string): void {
    const reason = `${called(host)}: not applicable: ${why}`;
    this.notApplicable.push({ policy: host.name, reason });
    this.events?.notice?.(reason);
  }

  reject(host: PolicyHost, why: string, how = "rejected: "): void {
    // A message may quote the policy: a name of a setting, say.
    const reason = `${called(host)}: ${how}${quoted(why, 600)}`;
    this.failures.push({ policy: host.name, reason });
    this.events?.notice?.(reason);
  }

  #fail(host: PolicyHost, error: unknown): void {
    if (!(error instanceof PolicyError || error instanceof QuantizerError)) throw error;
    this.reject(host, error.message, error instanceof SandboxError ? "" : undefined);
  }
}
