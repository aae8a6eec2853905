/**
 * The one table of the hooks that a policy may leave out. Names, types, checks, what families are
 * given, and the table in docs/policies.md follow from it; which family takes which, and what holds
 * when a policy says nothing, the families declare (`Family.hooks`).
 *
 * @module
 */
import type { AnswerType, ValueOf } from "./answer_type.ts";

/**
 * One row of the table.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Hook, hooks } from "@kvreplay/kvreplay/quant";
 *
 * const rows: Hook[] = Object.values(hooks);
 * // The hook that names the family is no answer for it.
 * assertEquals(rows.filter(({ answer }) => answer === undefined), [hooks.quantizer_family]);
 * ```
 */
export interface Hook {
  /** Name of the answer as families are given it; absent where it chooses the family. */
  readonly answer?: string;
  /** What a policy may answer. */
  readonly value: AnswerType;
  /** What a policy returns, with its unit. */
  readonly returns: string;
  /** What holds when the hook is absent, where no family says so. */
  readonly absent?: string;
}

/**
 * The hooks, in the order they are listed; the methods themselves stand in `OptionalHooks`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { hooks } from "@kvreplay/kvreplay/quant";
 *
 * assertEquals(hooks.group_size.answer, "groupSize");
 * assertEquals(hooks.clip_ratio.value, { is: "number", above: 0, most: 1 });
 * ```
 */
export const hooks = {
  quantizer_family: {
    value: { is: "text" },
    returns: "name of a family",
    absent: '`"uniform"`',
  },
  group_size: {
    answer: "groupSize",
    value: { is: "integer", least: 1, most: 16_777_216, orWholeHead: true },
    returns: "entries that share a scale; -1 for a whole head (`kvtuner`, `turboquant`)",
  },
  sink_tokens: {
    answer: "sinkTokens",
    value: { is: "integer", least: 0, most: 16_777_216 },
    returns: "first tokens kept exact",
  },
  clip_ratio: {
    answer: "clipRatio",
    value: { is: "number", above: 0, most: 1 },
    returns: "factor of both ends of a group's range, above 0 to 1",
  },
  quantization_level: {
    answer: "quantizationLevel",
    value: { is: "one of", names: ["token", "layer", "head"] },
    returns: '`"token"`, `"layer"` or `"head"`: what shares mean and scale',
  },
  quantization_method: {
    answer: "quantizationMethod",
    value: { is: "one of", names: ["uniform", "normal"] },
    returns: '`"uniform"` or `"normal"`: how the levels are spaced',
  },
  symmetric: {
    answer: "symmetric",
    value: { is: "boolean" },
    returns: "whether ranges are centred on zero",
  },
  outliers_ratio: {
    answer: "outliersRatio",
    value: { is: "number", least: 0, below: 1 },
    returns: "share of entries kept exactly with their positions, 0 to below 1",
  },
  use_attentions: {
    answer: "useAttentions",
    value: { is: "boolean" },
    returns: "whether attention decides the widths, within `bit_range`",
  },
  last_n_attentions: {
    answer: "lastNAttentions",
    value: { is: "integer", least: 1, most: 16_777_216 },
    returns: "recent queries whose attention counts, 1 to 16,777,216",
  },
  target_quantization_error: {
    answer: "targetQuantizationError",
    value: { is: "number", least: 0, most: 1_000_000 },
    returns: "error that the widths aim at, above 0 (`e` of the paper)",
  },
  q_norm: {
    answer: "qNorm",
    value: { is: "number", above: 0, most: 1_000_000_000 },
    returns: "assumed norm of a query, used as if squared",
  },
  bit_range: {
    answer: "bitRange",
    value: { is: "width range", most: 16 },
    returns: "smallest and largest width in bits, as an array",
  },
  family_options: {
    answer: "options",
    value: { is: "object" },
    returns: "an object of settings that no common method names, see below",
    absent: "`{}`",
  },
} as const satisfies Readonly<Record<string, Hook>>;

/**
 * One of the hooks, as a policy spells it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { hooks, type OptionalHook } from "@kvreplay/kvreplay/quant";
 *
 * const sinks: OptionalHook = "sink_tokens";
 * assertEquals(hooks[sinks].returns, "first tokens kept exact");
 * ```
 */
export type OptionalHook = keyof typeof hooks;

/** Names of the hooks, as a policy spells them. */
export const hookNames: readonly OptionalHook[] = Object.keys(hooks) as OptionalHook[];

/**
 * What a policy may answer to a hook.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { HookValue } from "@kvreplay/kvreplay/quant";
 *
 * const widths: HookValue<"bit_range"> = [2, 4];
 * assertEquals(widths.length, 2);
 * ```
 */
export type HookValue<H extends OptionalHook> = ValueOf<typeof hooks[H]["value"]>;

/**
 * Name of a hook's answer as families are given it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type AnswerName, hooks } from "@kvreplay/kvreplay/quant";
 *
 * const name: AnswerName<"clip_ratio"> = "clipRatio";
 * assertEquals(hooks.clip_ratio.answer, name);
 * ```
 */
export type AnswerName<H extends OptionalHook> = typeof hooks[H] extends
  { readonly answer: infer Name extends string } ? Name : never;

/**
 * Answers to some of the hooks, as families are given them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { AnswersTo } from "@kvreplay/kvreplay/quant";
 *
 * const answers: AnswersTo<"group_size" | "symmetric"> = { groupSize: 32, symmetric: false };
 * assertEquals(Object.keys(answers), ["groupSize", "symmetric"]);
 * ```
 */
export type AnswersTo<H extends OptionalHook> = {
  readonly [K in OptionalHook as K extends H ? AnswerName<K> : never]: HookValue<K>;
};

/**
 * A method for every hook, by what it must return.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { HookMethods } from "@kvreplay/kvreplay/quant";
 *
 * const policy: Pick<HookMethods, "sink_tokens"> = { sink_tokens: () => 4 };
 * assertEquals(policy.sink_tokens(), 4);
 * ```
 */
export type HookMethods = { [H in OptionalHook]: (...given: never[]) => HookValue<H> };

/** Name of a hook's answer as families are given it; undefined where it chooses the family. */
export function answerName(hook: OptionalHook): string | undefined {
  return (hooks[hook] as Hook).answer;
}
