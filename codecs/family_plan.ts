/**
 * The plan of a quantizer that decides nothing by plans.
 *
 * @module
 */
import type { RawAnswers } from "../policies/ask.ts";
import type { BudgetState } from "../policies/policy.ts";
import { KV_KINDS } from "../quant/family.ts";

/** Answers that choose one family for every layer and kind. */
export function familyPlan(family: string, { layers, kv_heads }: BudgetState): RawAnswers[] {
  return Array.from({ length: layers * KV_KINDS.length }, (_, i) => ({
    layer: Math.floor(i / KV_KINDS.length),
    kind: KV_KINDS[i % KV_KINDS.length]!,
    bits: new Array<number>(kv_heads).fill(1),
    axis: "token",
    residual: 0,
    optional: { quantizer_family: family },
  }));
}
