/**
 * A policy or quantizer on random caches: whether it does what it must, told in seconds.
 *
 * @module
 */
import { Calibrator } from "../calibration/calibrator.ts";
import type { PolicyHost } from "../policies/host.ts";
import { builtInFamilies } from "../quant/registry.ts";
import { UserError } from "../errors.ts";
import type { SliceNumbers } from "../replay/metric.ts";
import type { PolicyResult, SliceResult } from "./results.ts";
import { runSlice } from "./slice_run.ts";
import { TRIAL_SHAPE, TrialEngine } from "./trial_engine.ts";

/** Prompts of the trial, in tokens: one that most windows cover, one that they do not. */
const PROMPTS = [60, 300];
const MAX_NEW_TOKENS = 12;
/** The same where stores opened afresh, as at every step of a run step by step, cost seconds. */
const FEW = { prompts: [300], maxNewTokens: 2 };
/** Samples to learn from. */
const SAMPLE_TOKENS = [200, 120];

/** Numbers that a run step by step must repeat. */
const REPEATED = [
  "peak_kv_memory_mb",
  "avg_bits_per_kv_token",
  "cache_error",
  "code_bits",
  "replay_agreement",
] as const satisfies readonly (keyof SliceNumbers)[];

/** What a trial found. */
export interface Trial {
  readonly result: PolicyResult;
  /** Sentences for the user that the run gave. */
  readonly notices: readonly string[];
}

/**
 * Tries a policy.
 *
 * @param open opens it afresh; it is opened twice
 * @throws {UserError} for the first thing that it does not do as it must, one sentence
 */
export async function trial(
  open: () => Promise<PolicyHost>,
  { budgetBits, seed }: { readonly budgetBits: number; readonly seed: number },
): Promise<Trial> {
  const notices: string[] = [];
  const run = async (stepwise: boolean): Promise<PolicyResult> => {
    await using host = await open();
    const { prompts, maxNewTokens } = host.startsOften
      ? FEW
      : { prompts: PROMPTS, maxNewTokens: MAX_NEW_TOKENS };
    const engine = new TrialEngine(seed);
    const calibration = new Calibrator({
      engine,
      families: builtInFamilies,
      samples: SAMPLE_TOKENS.map((tokens) => ({ ids: ids(tokens), reply: 8 })),
    });
    const result = await runSlice({
      slice: "trial",
      engine,
      families: builtInFamilies,
      examples: prompts.map((tokens) => ({
        id: `random-${tokens}`,
        dataset: "random",
        prompt: ids(tokens),
        score: () => 0,
      })),
      hosts: [host],
      maxNewTokens,
      budgetBits,
      seed,
      eosIds: [],
      decode: (tokens) => tokens.join(" "),
      stepwise,
      audit: !stepwise,
      calibration,
      events: { notice: (sentence) => notices.push(sentence) },
    });
    return only(result);
  };
  const whole = await run(false);
  const stepwise = await run(true);
  for (const field of REPEATED) {
    const [a, b] = [whole.numbers[field], stepwise.numbers[field]];
    if (Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a))) continue;
    throw new UserError(
      `${whole.policy} gives ${field} ${b} step by step, but ${a} when steps share a pass: what it ` +
        `does at a step must not hang on the steps before`,
    );
  }
  return { result: whole, notices };
}

function only({ results, failures }: SliceResult): PolicyResult {
  const [result] = results;
  if (result !== undefined) return result;
  // deno-lint-ignore error-law/visible -- the sentence of the failure
  throw new UserError(failures[0]!.reason);
}

function ids(tokens: number): number[] {
  return Array.from({ length: tokens }, (_, i) => (i * 7) % TRIAL_SHAPE.vocab);
}
