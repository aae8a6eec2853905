/**
 * Whether a family applies what a policy asked for: checked answers against the settings that the
 * family resolved from them.
 *
 * @module
 */
import type { HookAnswers, OptionalHook, Settings } from "../quant/family.ts";

/** Settings as a record: what each family adds is known by name only. */
type Fields = Readonly<Record<string, unknown>>;

/** How settings express one of the common hooks. */
interface Rule {
  readonly hook: OptionalHook;
  readonly answer: keyof HookAnswers;
  /** Names under which families keep it, the first present one counts. */
  readonly fields: readonly string[];
  /** What the settings say for an answer, where it is not the answer itself. */
  readonly spelled?: Readonly<Record<string, unknown>>;
}

const RULES: readonly Rule[] = [
  // Families whose group is the whole head keep no size of it.
  { hook: "group_size", answer: "groupSize", fields: ["groupSize", "headDim"] },
  { hook: "sink_tokens", answer: "sinkTokens", fields: ["sinkTokens"] },
  { hook: "clip_ratio", answer: "clipRatio", fields: ["clipRatio"] },
  { hook: "quantization_level", answer: "quantizationLevel", fields: ["level"] },
  {
    hook: "quantization_method",
    answer: "quantizationMethod",
    fields: ["method", "quantizer"],
    spelled: { uniform: "int", normal: "nf" },
  },
  { hook: "symmetric", answer: "symmetric", fields: ["symmetric"] },
  { hook: "outliers_ratio", answer: "outliersRatio", fields: ["outliersRatio"] },
  { hook: "use_attentions", answer: "useAttentions", fields: ["useAttentions"] },
  { hook: "last_n_attentions", answer: "lastNAttentions", fields: ["lastNAttentions"] },
  {
    hook: "target_quantization_error",
    answer: "targetQuantizationError",
    fields: ["targetQuantizationError"],
  },
  { hook: "q_norm", answer: "qNorm", fields: ["qNorm"] },
  { hook: "bit_range", answer: "bitRange", fields: ["bitRange"] },
];

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/**
 * What of the answers the settings do not say, one clause each; empty when all was applied. Hooks
 * that the family does not use are left out: those are reported as ignored. A window is rounded up
 * to whole groups where groups run along the tokens, and a departure that the settings declare as a
 * deviation is no omission.
 *
 * @param hooks hooks that the family uses
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { kivi } from "../quant/families/kivi/kivi.ts";
 * import { notApplied } from "./applied_settings.ts";
 *
 * const answers = {
 *   layer: 0, kind: "key", bits: [2, 4], axis: "channel", residualLength: 100, groupSize: 32,
 *   calibrationMode: "none",
 * } as const;
 * const settings = kivi.resolve(answers, { heads: 2, headDim: 64 });
 * assertEquals(notApplied(answers, settings, kivi.hooks), []);
 * assertEquals(notApplied(answers, { ...settings, bits: [2, 2] }, kivi.hooks), [
 *   "choose_bits asked for [2,4], applied is [2,2]",
 * ]);
 * ```
 */
export function notApplied(
  answers: HookAnswers,
  settings: Settings,
  hooks: readonly OptionalHook[],
): string[] {
  const fields = settings as unknown as Fields;
  const missing: string[] = [];
  const expect = (method: string, asked: unknown, applied: unknown, ok = same(asked, applied)) => {
    if (ok) return;
    missing.push(
      `${method} asked for ${JSON.stringify(asked)}, applied is ${
        JSON.stringify(applied) ?? "nothing"
      }`,
    );
  };
  expect("choose_bits", answers.bits, settings.bits);
  const axis = axisOf(fields);
  if (axis !== undefined && settings.deviations === undefined) {
    expect("choose_axis", answers.axis, axis);
  }
  const group = typeof fields.groupSize === "number" ? fields.groupSize : 1;
  const { residualLength: window } = answers;
  expect(
    "residual_length",
    window,
    fields.residualLength,
    fields.residualLength === window ||
      axis === "channel" && fields.residualLength === Math.ceil(window / group) * group,
  );
  for (const { hook, answer, fields: names, spelled } of RULES) {
    const asked = answers[answer];
    if (asked === undefined || !hooks.includes(hook)) continue;
    const name = names.find((n) => fields[n] !== undefined);
    const applied = name === undefined ? undefined : fields[name];
    const wholeHead = hook === "group_size" && asked === -1 && applied !== undefined;
    expect(
      hook,
      asked,
      applied,
      wholeHead || same(asked, applied) || same(spelled?.[String(asked)] ?? asked, applied),
    );
  }
  if (settings.deviations === undefined && hooks.includes("family_options")) {
    for (const [option, asked] of Object.entries(answers.options ?? {})) {
      const applied = optionOf(fields, option);
      // Values have no rotary positions, so this option can only be about keys.
      if (applied === undefined || option === "pre_rope" && settings.kind === "value") continue;
      expect(`family option ${option}`, asked, applied);
    }
  }
  return missing;
}

/** The axis as settings tell it: by name, or as the order of the groups of a block. */
function axisOf({ axis, order }: Fields): unknown {
  if (axis !== undefined || order === undefined) return axis;
  return order === "flat" ? "token" : "channel";
}

/** A family option as settings keep it: in camel case, by itself or in a part of its own. */
function optionOf(fields: Fields, option: string): unknown {
  if (option === "fp8_params") return fields.paramDtype === "fp8";
  const name = option.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  if (fields[name] !== undefined) return fields[name];
  for (const part of Object.values(fields)) {
    if (typeof part === "object" && part !== null && Object.hasOwn(part, name)) {
      return (part as Fields)[name];
    }
  }
  return undefined;
}
