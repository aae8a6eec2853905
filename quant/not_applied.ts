/**
 * Whether a family applied what a policy asked for: checked answers against the settings that the
 * family resolved from them, each where the family declares that it keeps it.
 *
 * @module
 */
import { takenHooks } from "./declared.ts";
import type { Family, HookAnswers, Kept, Settings } from "./family.ts";
import { answerName } from "./hooks.ts";

/**
 * What of the answers the settings do not say, one clause each; empty when all was applied. Hooks
 * that the family does not take are left out: those are reported as ignored. A departure of axis or
 * option that the settings declare as a deviation is no omission.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { kivi } from "./families/kivi/kivi.ts";
 * import { notApplied } from "./not_applied.ts";
 * import { settingsFor } from "./settings_for.ts";
 *
 * // A window is kept in whole groups along the tokens, and kivi says so.
 * const answers = {
 *   layer: 0, kind: "key", bits: [2, 4], axis: "channel", residualLength: 100, groupSize: 32,
 *   calibrationMode: "none",
 * } as const;
 * const settings = settingsFor(kivi, answers, { heads: 2, headDim: 64 });
 * assertEquals(settings.residualLength, 128);
 * assertEquals(notApplied(kivi, answers, settings), []);
 * assertEquals(notApplied(kivi, answers, { ...settings, bits: [2, 2] }), [
 *   "choose_bits asked for [2,4], applied is [2,2]",
 * ]);
 * ```
 */
export function notApplied<S extends Settings>(
  family: Family<S>,
  answers: HookAnswers,
  settings: S,
): string[] {
  const missing: string[] = [];
  const fields = settings as unknown as Readonly<Record<string, unknown>>;
  const expect = <V>(what: string, asked: V, name: string, kept: Kept<S, V> | undefined) => {
    const applied = kept?.kept === undefined ? fields[name] : kept.kept(settings);
    const wanted = kept?.expressed === undefined ? asked : kept.expressed(asked, settings);
    if (JSON.stringify(wanted) === JSON.stringify(applied)) return;
    // A family without a window need not keep that there is none.
    if (name === "residualLength" && wanted === 0 && applied === undefined) return;
    missing.push(
      `${what} asked for ${JSON.stringify(asked)}, applied is ${
        JSON.stringify(applied) ?? "nothing"
      }`,
    );
  };
  expect("choose_bits", answers.bits, "bits", undefined);
  // A family with groups of one kind need not keep what else they could be.
  const keepsAxis = family.axes?.kept !== undefined || "axis" in fields;
  const departs = settings.deviations !== undefined;
  if (keepsAxis && !departs) expect("choose_axis", answers.axis, "axis", family.axes);
  expect("residual_length", answers.residualLength, "residualLength", family.window);
  for (const hook of takenHooks(family)) {
    const name = answerName(hook);
    const asked = name === undefined ? undefined : answers[name as keyof HookAnswers];
    if (hook === "family_options" || asked === undefined) continue;
    expect<unknown>(hook, asked, name!, family.hooks?.[hook] as Kept<S, unknown>);
  }
  for (const [name, option] of departs ? [] : Object.entries(family.options ?? {})) {
    const asked = answers.options?.[name];
    if (asked === undefined || option.keysOnly && answers.kind === "value") continue;
    expect(`family option ${name}`, asked, name, option);
  }
  return missing;
}
