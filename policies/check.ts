/**
 * Checks everything a policy returns, before any family sees it. Every refusal names the method,
 * its arguments, what was returned and what would be right.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import type { HookAnswers, OptionalHook } from "../quant/family.ts";
import type { Families } from "../quant/registry.ts";
import type { RawAnswers } from "./ask.ts";

/** A policy returned something the contract does not allow; the message is one sentence. */
export class PolicyError extends UserError {
  override name = "PolicyError";
  /** Whether the message begins with how the policy ended; if not, it was rejected. */
  readonly saysHow: boolean = false;
}

/** What the check needs to know of the run. */
export interface CheckContext {
  readonly heads: number;
  readonly budgetBits: number;
  readonly calibrationMode: "none" | "offline";
  readonly calibration?: unknown;
  /** Seed of the run, handed to the families. */
  readonly seed?: number;
  /** Only the built-in reference may leave the whole cache exact (16 bits). */
  readonly fullPrecision: boolean;
  /** Families that `quantizer_family` may name. */
  readonly families: Families;
}

/** A value as it should appear in a message: short and on one line. */
export function shown(value: unknown): string {
  if (typeof value === "string") return shownText(value);
  if (typeof value === "number" || typeof value === "boolean" || value == null) {
    return String(value);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) {
    const items = value.slice(0, 6).map(shown).join(", ");
    return `[${items}${value.length > 6 ? ", …" : ""}]`;
  }
  return `a ${typeof value}`;
}

/** Quoted, and nothing in it that moves a cursor or that a program would read as a result line. */
function shownText(text: string): string {
  const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text.slice(0, 60).replace(/TEST_METRICS/gi, "TEST METRICS"))
    .replace(/[^\x20-\x7e]/g, escaped);
}

const integer = (min: number, max: number) => ({
  ok: (v: unknown) => Number.isInteger(v) && (v as number) >= min && (v as number) <= max,
  want: `an integer from ${min} to ${max}`,
});
const number = (min: number, max: number) => ({
  ok: (v: unknown) => typeof v === "number" && Number.isFinite(v) && v >= min && v <= max,
  want: `a number from ${min} to ${max}`,
});
const oneOf = (...names: string[]) => ({
  ok: (v: unknown) => typeof v === "string" && names.includes(v),
  want: names.map((n) => `"${n}"`).join(" or "),
});
const boolean = { ok: (v: unknown) => typeof v === "boolean", want: "true or false" };

const MAX_TOKENS = 1 << 24;

const RULES: Readonly<Record<OptionalHook, { ok(v: unknown): boolean; want: string }>> = {
  // Which names there are is known to the run alone.
  quantizer_family: { ok: () => true, want: "" },
  group_size: {
    ok: (v) => v === -1 || integer(1, MAX_TOKENS).ok(v),
    want: "a positive integer, or -1 for the whole head",
  },
  sink_tokens: integer(0, MAX_TOKENS),
  clip_ratio: { ok: (v) => number(0, 1).ok(v) && v !== 0, want: "a number above 0 and up to 1" },
  quantization_level: oneOf("token", "layer", "head"),
  quantization_method: oneOf("uniform", "normal"),
  symmetric: boolean,
  outliers_ratio: { ok: (v) => number(0, 1).ok(v) && v !== 1, want: "a number from 0 to below 1" },
  use_attentions: boolean,
  last_n_attentions: integer(1, MAX_TOKENS),
  target_quantization_error: number(0, 1e6),
  q_norm: { ok: (v) => number(0, 1e9).ok(v) && v !== 0, want: "a number above 0" },
  bit_range: {
    ok: (v) =>
      Array.isArray(v) && v.length === 2 && v.every((b) => integer(0, 16).ok(b)) && v[0] <= v[1],
    want: "two integers from 0 to 16, the smaller first",
  },
  family_options: {
    ok: (v) => typeof v === "object" && v !== null && !Array.isArray(v),
    want: "an object of family settings",
  },
};

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
    if (!Number.isInteger(width) || (width as number) < 1) {
      refuse(call, width, `an integer width from 1 to ${context.budgetBits}`);
    }
    if ((width as number) > context.budgetBits) {
      throw new PolicyError(
        `${call} returned ${
          shown(width)
        } bits for layer ${layer} ${kind}, over the budget of ${context.budgetBits}; ` +
          `choose at most ${context.budgetBits} or raise --budget-bits`,
      );
    }
    return width as number;
  });
  if (raw.axis !== "channel" && raw.axis !== "token") {
    refuse(`choose_axis(${layer}, "${kind}")`, raw.axis, '"channel" or "token"');
  }
  const tokens = integer(0, MAX_TOKENS);
  if (!tokens.ok(raw.residual)) {
    refuse(`residual_length(${layer})`, raw.residual, "a whole number of tokens, 0 or more");
  }
  const o = raw.optional;
  for (const hook of Object.keys(o) as OptionalHook[]) {
    const rule = RULES[hook];
    if (rule === undefined) {
      throw new PolicyError(`The policy answered an unknown hook ${shown(hook)}`);
    }
    if (o[hook] === undefined) continue;
    if (!rule.ok(o[hook])) refuse(`${hook}(${layer}, "${kind}")`, o[hook], rule.want);
  }
  const family = o.quantizer_family;
  if (family !== undefined && !(typeof family === "string" && context.families.has(family))) {
    const want = `one of ${context.families.names.join(", ")}`;
    refuse(`quantizer_family(${layer}, "${kind}")`, family, want);
  }
  if (o.bit_range !== undefined) {
    const top = (o.bit_range as number[])[1] ?? 0;
    if (top > context.budgetBits) {
      throw new PolicyError(
        `bit_range(${layer}, "${kind}") allows ${top} bits for layer ${layer} ${kind}, over the budget of ` +
          `${context.budgetBits}; allow at most ${context.budgetBits} or raise --budget-bits`,
      );
    }
  }
  const given = <T>(hook: OptionalHook, name: string): Record<string, T> =>
    o[hook] === undefined ? {} : { [name]: o[hook] as T };
  return {
    layer,
    kind,
    bits,
    axis: raw.axis as HookAnswers["axis"],
    residualLength: raw.residual as number,
    calibrationMode: context.calibrationMode,
    ...(context.seed === undefined ? {} : { seed: context.seed }),
    ...(context.calibration === undefined ? {} : { calibration: context.calibration }),
    ...given("group_size", "groupSize"),
    ...given("sink_tokens", "sinkTokens"),
    ...given("clip_ratio", "clipRatio"),
    ...given("quantization_level", "quantizationLevel"),
    ...given("quantization_method", "quantizationMethod"),
    ...given("symmetric", "symmetric"),
    ...given("outliers_ratio", "outliersRatio"),
    ...given("use_attentions", "useAttentions"),
    ...given("last_n_attentions", "lastNAttentions"),
    ...given("target_quantization_error", "targetQuantizationError"),
    ...given("q_norm", "qNorm"),
    ...given("bit_range", "bitRange"),
    ...given("family_options", "options"),
  };
}
