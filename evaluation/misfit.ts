/**
 * Whether a built-in policy can be applied at all, told from the sizes of the model and the budget before
 * anything is run.
 *
 * @module
 */
import type { ModelShape } from "../engine/engine.ts";
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { Planner, StatsNotLoaded } from "../policies/plan.ts";
import type { WorkloadMeta } from "../policies/policy.ts";
import { budgetAt, modelMeta } from "../replay/question_at.ts";
import { isBuiltinName } from "../policies/registry.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import type { Families } from "../quant/registry.ts";

/** What a policy is to be applied to. */
export interface Fitting {
  readonly shape: Omit<ModelShape, "rotary">;
  /** Families that policies may choose. */
  readonly families: Families;
  /** No code may be wider. */
  readonly budgetBits: number;
}

/**
 * Why a built-in policy cannot be applied: what it asks for, its family cannot express on a model of
 * these sizes, or the budget does not allow. Undefined when it can, and when only a run can tell: for a
 * policy that learns or looks at statistics before it answers, or is not one of this project's.
 *
 * @example
 * ```ts
 * import { assertMatch } from "@std/assert";
 * import { hostBuiltin } from "../policies/registry.ts";
 * import { builtInFamilies } from "../quant/registry.ts";
 * import { misfitOf } from "./misfit.ts";
 *
 * const shape = {
 *   ...{ layers: 30, hidden: 576, queryHeads: 9, kvHeads: 3, headDim: 64 },
 *   ...{ vocab: 49152, maxPositions: 8192 },
 * };
 * const reason = await misfitOf(hostBuiltin("skvq_overlap_2bit"), {
 *   shape,
 *   families: builtInFamilies,
 *   budgetBits: 4,
 * });
 * assertMatch(reason!, /a group of 128 does not divide the 192 channels of all heads/);
 * ```
 */
export async function misfitOf(
  host: PolicyHost,
  { shape, families, budgetBits }: Fitting,
): Promise<string | undefined> {
  if (!isBuiltinName(host.name) || host.fullPrecision || host.calibrates) return undefined;
  const { layers, kvHeads, headDim } = shape;
  const budget = budgetAt(shape, budgetBits);
  const size = { prompt_tokens: 1, cache_tokens: 1, max_new_tokens: 1 };
  try {
    const calibrationMode = await host.calibrationMode(workloadOn(shape), budget);
    const planner = new Planner(host, { heads: kvHeads, headDim, layers }, {
      families,
      budgetBits,
      calibrationMode,
    });
    await planner.check({
      budget,
      request: { slice: "", dataset: "", ...size },
      stats: (layer, kind) => {
        throw new StatsNotLoaded(`There is no cache yet to measure layer ${layer} ${kind}`);
      },
    });
  } catch (error) {
    if (error instanceof PolicyError || error instanceof QuantizerError) return error.message;
    if (!(error instanceof StatsNotLoaded)) throw error;
  }
  return undefined;
}

/** A workload of nothing: how much there is to do does not decide what a policy can express. */
export function workloadOn(shape: Fitting["shape"]): WorkloadMeta {
  return {
    slice: "",
    examples: 0,
    mean_prompt_tokens: 0,
    max_prompt_tokens: 0,
    model: modelMeta(shape),
  };
}
