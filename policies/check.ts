/**
 * Checks everything a policy returns, before any family sees it. Every refusal names the method,
 * its arguments, what was returned and what would be right.
 *
 * @module
 */
import { type AnswerType, fits, inWords } from "../quant/answer_type.ts";
import { EXACT_BITS } from "../quant/families/exact/exact.ts";
import type { HookAnswers } from "../quant/family.ts";
import { answerName, type AnswersTo, hooks, type OptionalHook } from "../quant/hooks.ts";
import type { Families } from "../quant/registry.ts";
import { PolicyError } from "../sandbox/policy_error.ts";
import type { RawAnswers } from "./ask.ts";
import { shown } from "../sandbox/shown.ts";

export { PolicyError };

/** What the check needs to know of the run. */
export interface CheckContext {
  readonly heads: number;
  readonly budgetBits: number;
  readonly calibrationMode: "none" | "offline";
  /** What the policy's `calibrate` returned. */
  readonly lesson?: unknown;
  /** Seed of the run, handed to the families. */
  readonly seed?: number;
  /** Only the built-in reference may leave the whole cache exact (16 bits). */
  readonly fullPrecision: boolean;
  /** Whether any width may be chosen; 16 leaves entries as they are. */
  readonly outsideBudget?: boolean;
  /** Families that `quantizer_family` may name. */
  readonly families: Families;
}

/** Widest code that a budget can allow. */
export const MOST_BUDGET_BITS = 8;

/** The other way out, where there is one. */
function orRaise(width: number): string {
  return width <= MOST_BUDGET_BITS ? ` or raise --budget-bits to ${width}` : "";
}

/** Recent tokens that a policy may ask for. */
const TOKENS: AnswerType = { is: "integer", least: 0, most: 2 ** 24 };

/**
 * Turns raw answers into checked ones.
 *
 * @throws {PolicyError} naming method, arguments, the returned value and what would be right
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { builtInFamilies } from "../quant/registry.ts";
 * import { checkAnswers, PolicyError } from "./check.ts";
 *
 * const raw = { layer: 3, kind: "key" as const, bits: [4, NaN], axis: "channel", residual: 0, optional: {} };
 * assertThrows(
 *   () =>
 *     checkAnswers(raw, {
 *       heads: 2,
 *       budgetBits: 4,
 *       calibrationMode: "none",
 *       fullPrecision: false,
 *       families: builtInFamilies,
 *     }),
 *   PolicyError,
 *   'choose_bits(3, "key", 1) returned NaN',
 * );
 * ```
 */
export function checkAnswers(raw: RawAnswers, context: CheckContext): HookAnswers {
  const { layer, kind } = raw;
  const refuse = (call: string, value: unknown, want: string): never => {
    throw new PolicyError(`${call} returned ${shown(value)}; expected ${want}`);
  };
  if (raw.bits.length !== context.heads) {
    refuse(
      `choose_bits(${layer}, "${kind}", …)`,
      raw.bits,
      `one width for each of ${context.heads} heads`,
    );
  }
  const bits = raw.bits.map((width, head) => {
    const call = `choose_bits(${layer}, "${kind}", ${head})`;
    if (context.fullPrecision) {
      return width === 16 ? 16 : refuse(call, width, "16, for the reference");
    }
    const most = context.outsideBudget ? EXACT_BITS : context.budgetBits;
    if (!Number.isInteger(width) || (width as number) < 1) {
      refuse(call, width, `an integer width from 1 to ${most}`);
    }
    if ((width as number) > most) {
      throw new PolicyError(
        `${call} returned ${
          shown(width)
        } bits for layer ${layer} ${kind}, over the budget of ${most}; ` +
          `choose at most ${most}${context.outsideBudget ? "" : orRaise(width as number)}`,
      );
    }
    return width as number;
  });
  if (raw.axis !== "channel" && raw.axis !== "token") {
    refuse(`choose_axis(${layer}, "${kind}")`, raw.axis, '"channel" or "token"');
  }
  if (!fits(TOKENS, raw.residual)) {
    refuse(`residual_length(${layer})`, raw.residual, inWords(TOKENS));
  }
  const { quantizer_family: family, ...others } = raw.optional;
  if (family !== undefined && !(typeof family === "string" && context.families.has(family))) {
    const want = `one of ${context.families.names.join(", ")}`;
    refuse(`quantizer_family(${layer}, "${kind}")`, family, want);
  }
  const given: Record<string, unknown> = {};
  for (const [hook, value] of Object.entries(others)) {
    if (!Object.hasOwn(hooks, hook)) {
      throw new PolicyError(`The policy answered an unknown hook ${shown(hook)}`);
    }
    if (value === undefined) continue;
    const { value: type } = hooks[hook as OptionalHook];
    if (!fits(type, value)) refuse(`${hook}(${layer}, "${kind}")`, value, inWords(type));
    given[answerName(hook as OptionalHook)!] = value;
  }
  if (others.bit_range !== undefined) {
    const top = (others.bit_range as number[])[1] ?? 0;
    if (top > context.budgetBits && !context.outsideBudget) {
      throw new PolicyError(
        `bit_range(${layer}, "${kind}") allows ${top} bits for layer ${layer} ${kind}, over the budget of ` +
          `${context.budgetBits}; allow at most ${context.budgetBits}${orRaise(top)}`,
      );
    }
  }
  return {
    layer,
    kind,
    bits,
    axis: raw.axis as HookAnswers["axis"],
    residualLength: raw.residual as number,
    calibrationMode: context.calibrationMode,
    ...(context.seed === undefined ? {} : { seed: context.seed }),
    ...(context.lesson === undefined ? {} : { lesson: context.lesson }),
    // Each is of the type that the table says.
    ...given as Partial<AnswersTo<OptionalHook>>,
  };
}
