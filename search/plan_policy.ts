import type { Policy } from "../policies/policy.ts";
import type { BaseFamily } from "./base_family.ts";
import type { WidthPlan } from "./width_plan.ts";

/** The policy that follows a plan, as its file does (`policyFileText`). */
export function planPolicy(plan: WidthPlan, base: BaseFamily): Policy {
  const { family, groupSize, residualLength } = base.choice;
  return {
    quantizer_family: () => family,
    choose_bits: (layer, kind, head) => plan[kind][layer]![head]!,
    choose_axis: (_layer, kind) => base.axes[kind],
    residual_length: () => residualLength,
    ...(groupSize === undefined ? {} : { group_size: () => groupSize }),
    calibration_mode: () => "none",
  };
}

/** Widest code of a plan, in bits. */
export function widestOf({ key, value }: WidthPlan): number {
  return Math.max(...key.flat(), ...value.flat());
}
