/** What a policy would answer, for tests of the affine families. */
import type { HookAnswers, KvKind } from "../../../../quant/family.ts";

/** Answers for two heads of 4 bits on the token axis without windows, changed by `changes`. */
export function answers(kind: KvKind, changes: Partial<HookAnswers> = {}): HookAnswers {
  return {
    layer: 0,
    kind,
    bits: [4, 4],
    axis: "token",
    residualLength: 0,
    calibrationMode: "none",
    ...changes,
  };
}
