/**
 * Replays the settings of engines and finds out what each loses, where, and what it stores.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { KV_KINDS, type KvKind } from "../quant/family.ts";
import { EXACT_BITS } from "../quant/families/exact/exact.ts";
import type { EngineSetting } from "../policies/engine_settings.ts";
import type { Policy } from "../policies/policy.ts";
import { policies } from "../policies/registry.ts";
import { type Lab, partsOf, type SliceInput } from "../evaluation/lab.ts";
import type { NamedOutcome, PolicyResult } from "../evaluation/results.ts";
import { average, replicate } from "../stats/bootstrap.ts";
import { pool, totalsOf } from "../stats/example_totals.ts";
import { interval } from "../stats/interval.ts";
import type { Advice, BreakingPoint, JudgedSetting, RefusedSetting, TextLoss } from "./advice.ts";

/** What is asked. */
export interface AdviseOptions {
  readonly settings: readonly EngineSetting[];
  /** What is replayed; at least one slice. */
  readonly slices: readonly Required<SliceInput>[];
  /** Points of `quality_main` that may be lost. */
  readonly mostLoss: number;
  /** Tokens that memory is told for. */
  readonly context: number;
  readonly progress?: (done: number, total: number, what: string) => void;
  readonly notice?: (sentence: string) => void;
}

/** One setting on one slice. */
interface OnSlice {
  readonly slice: Required<SliceInput>;
  readonly result: PolicyResult;
}

/**
 * Replays every setting on every slice; those that lose too much are then replayed in one layer and kind
 * at a time, on the example that they lost most in.
 *
 * @throws {UserError} when no setting could be replayed
 */
export async function advise(lab: Lab, options: AdviseOptions): Promise<Advice> {
  const { settings, slices, mostLoss, context } = options;
  const runs = new Map<string, OnSlice[]>();
  const reasons = new Map<string, string>();
  let examples = 0;
  for (const slice of slices) {
    const names = settings.map(({ policy }) => policy).filter((name) => !reasons.has(name));
    const { results, failures } = await lab.replay(slice, names, running(options));
    for (const { policy, reason } of failures) reasons.set(policy, reason);
    for (const result of results) {
      runs.set(result.policy, [...runs.get(result.policy) ?? [], { slice, result }]);
    }
    examples += Math.max(0, ...results.map(({ numbers }) => numbers.examples));
  }
  const judged: JudgedSetting[] = [];
  const refused: RefusedSetting[] = [];
  const { layers, kvHeads, headDim } = partsOf(lab).model.shape;
  const elements = layers * 2 * kvHeads * headDim * context;
  for (const setting of settings) {
    const reason = reasons.get(setting.policy);
    if (reason !== undefined) {
      refused.push({ ...setting, reason });
      continue;
    }
    const own = judge(setting, runs.get(setting.policy)!, elements);
    if (own.loss <= mostLoss) {
      judged.push(own);
      continue;
    }
    const breaks = await breakingPoint(lab, setting, runs.get(setting.policy)!, options);
    judged.push(breaks === undefined ? own : { ...own, breaks });
  }
  if (judged.length === 0) {
    throw new UserError(
      `None of the settings ${settings.map(({ policy }) => policy).join(", ")} could be replayed: ${
        refused[0]?.reason ?? "there is none"
      }`,
    );
  }
  const fullBytes = elements * EXACT_BITS / 8;
  return { mostLoss, context, examples, fullBytes, settings: judged, refused };
}

function running({ progress, notice }: AdviseOptions) {
  return {
    ...(progress === undefined ? {} : { progress }),
    ...(notice === undefined ? {} : { notice }),
  };
}

function judge(setting: EngineSetting, runs: readonly OnSlice[], elements: number): JudgedSetting {
  const losses = runs.map(({ result }) => 100 - result.numbers.quality_main);
  const replicates = average(
    runs.map(({ result }) =>
      replicate(result.outcomes.map(totalsOf), { seed: 0 }).quality_main.map((q) => 100 - q)
    ),
  );
  const outcomes = runs.flatMap(({ result }) => result.outcomes);
  const bits = mean(runs.map(({ result }) => result.numbers.avg_bits_per_kv_token));
  return {
    ...setting,
    loss: mean(losses),
    interval: interval(replicates, Math.min(...runs.map(({ result }) => result.outcomes.length))),
    bits,
    bytes: elements * bits / 8,
    worst: worstText(outcomes),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function lossOf(outcomes: readonly NamedOutcome[]): number {
  return 100 - pool(outcomes.map(totalsOf)).quality_main;
}

function worstText(outcomes: readonly NamedOutcome[]): TextLoss {
  return [...Map.groupBy(outcomes, ({ dataset }) => dataset)]
    .map(([dataset, own]) => ({ dataset, loss: lossOf(own) }))
    .reduce((worst, one) => one.loss > worst.loss ? one : worst);
}

/** The tensor that loses most of the example in which the whole setting lost most. */
async function breakingPoint(
  lab: Lab,
  setting: EngineSetting,
  runs: readonly OnSlice[],
  options: AdviseOptions,
): Promise<BreakingPoint | undefined> {
  const worst = runs.flatMap(({ slice, result }) =>
    result.outcomes.map((outcome) => ({ slice, outcome, loss: lossOf([outcome]) }))
  ).reduce((most, one) => one.loss > most.loss ? one : most);
  const { slice, outcome } = worst;
  const asked = slice.examples.find(({ id }) => id === outcome.id);
  if (asked === undefined) return undefined;
  const { layers } = partsOf(lab).model.shape;
  const tensors = Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) =>
    KV_KINDS.map((kind) => ({ layer, kind, name: `${setting.policy}_${layer}_${kind}` }))
  );
  const { results } = await lab.replay(
    { ...slice, examples: [asked] },
    tensors.map(({ layer, kind, name }) => ({
      name,
      policy: onlyAt(policies[setting.policy](), layer, kind),
    })),
    running(options),
  );
  const losses = results.map(({ policy, outcomes }) => ({ policy, loss: lossOf(outcomes) }));
  const most = losses.reduce((a, b) => b.loss > a.loss ? b : a, { policy: "", loss: 0 });
  const tensor = tensors.find(({ name }) => name === most.policy);
  if (tensor === undefined) return undefined;
  const { layer, kind } = tensor;
  return { layer, kind, loss: most.loss, example: outcome.id };
}

/** The policy in one layer and kind, and everything else as it is. */
function onlyAt(policy: Policy, layer: number, kind: KvKind): Policy {
  const here = (l: number, k: KvKind) => l === layer && k === kind;
  return {
    ...policy,
    quantizer_family: (l, k, request) =>
      here(l, k) ? policy.quantizer_family?.(l, k, request) ?? "uniform" : "uniform",
    choose_bits: (l, k, ...rest) => here(l, k) ? policy.choose_bits(l, k, ...rest) : EXACT_BITS,
    family_options: (l, k, request) =>
      here(l, k) ? policy.family_options?.(l, k, request) ?? {} : {},
  };
}
