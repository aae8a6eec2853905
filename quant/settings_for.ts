/**
 * From a policy's answers to a family's settings: what the family declares is checked and filled in
 * here, and its `resolve` is left with its own rules.
 *
 * @module
 */
import { type AnswerType, fits, inWords } from "./answer_type.ts";
import { axesOf, takenHooks } from "./declared.ts";
import type { Family, FamilyAnswers, HookAnswers, Settings } from "./family.ts";
import { answerName, hooks } from "./hooks.ts";
import { QuantizerError } from "./quantizer_error.ts";
import { checkInteger, checkWidths, placeName } from "./setting_checks.ts";

/**
 * The settings of one layer and kind.
 *
 * @param answers of the policy; hooks that the family does not take are left out
 * @throws {QuantizerError} for what the family does not declare or cannot express
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { kivi } from "./families/kivi/kivi.ts";
 * import { settingsFor } from "./settings_for.ts";
 *
 * const answers = {
 *   layer: 0, kind: "value", bits: [2, 2], axis: "token", residualLength: 128, sinkTokens: 4,
 *   calibrationMode: "none",
 * } as const;
 * const { groupSize, sinkTokens } = settingsFor(kivi, answers, { heads: 2, headDim: 64 });
 * assertEquals([groupSize, sinkTokens], [32, 4]);
 * assertThrows(
 *   () => settingsFor(kivi, { ...answers, options: { zero: true } }, { heads: 2, headDim: 64 }),
 *   Error,
 *   'has no option "zero"',
 * );
 * ```
 */
export function settingsFor<S extends Settings>(
  family: Family<S>,
  answers: HookAnswers,
  shape: { readonly heads: number; readonly headDim: number },
): S {
  const { layer, kind, bits, axis, residualLength, calibrationMode, seed, lesson } = answers;
  checkWidths(family, answers, shape.heads);
  checkInteger(answers, "residual_length", residualLength, 0);
  const options = filledOptions(family, answers);
  checkAxis(family, answers);
  checkMode(family, answers, options);
  const complete: FamilyAnswers = {
    layer,
    kind,
    bits,
    axis,
    residualLength,
    calibrationMode,
    ...(seed === undefined ? {} : { seed }),
    ...(lesson === undefined || !family.takesLesson ? {} : { lesson }),
    ...filledHooks(family, answers),
    options,
  };
  return family.resolve(complete, shape);
}

/** Answers to the hooks that the family takes. */
function filledHooks<S extends Settings>(
  family: Family<S>,
  answers: HookAnswers,
): Record<string, unknown> {
  const taken: Record<string, unknown> = {};
  for (const hook of takenHooks(family)) {
    const name = answerName(hook);
    const use = family.hooks?.[hook];
    if (name === undefined || use === undefined) continue;
    const given = answers[name as keyof HookAnswers];
    if (given !== undefined) check(answers, hook, use.value ?? hooks[hook].value, given);
    const value = given ?? use.absent;
    if (value !== undefined) taken[name] = value;
  }
  return taken;
}

/** The family's options, all that have a default. */
function filledOptions<S extends Settings>(
  { name: family, options = {} }: Family<S>,
  answers: HookAnswers,
): Record<string, unknown> {
  const known = Object.keys(options);
  const given = answers.options ?? {};
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) {
      throw new QuantizerError(
        `${placeName(answers)}: family "${family}" has no option "${name}"; ` +
          (known.length === 0 ? "it has no options" : `it knows ${known.join(", ")}`),
      );
    }
  }
  const complete: Record<string, unknown> = {};
  for (const [name, { value: type, absent }] of Object.entries(options)) {
    if (given[name] !== undefined) check(answers, `option "${name}"`, type, given[name]);
    const value = given[name] === undefined ? absent : given[name];
    if (value !== undefined) complete[name] = value;
  }
  return complete;
}

function check(answers: HookAnswers, what: string, type: AnswerType, value: unknown): void {
  if (fits(type, value)) return;
  const shown = typeof value === "number" ? value : JSON.stringify(value);
  throw new QuantizerError(
    `${placeName(answers)}: ${what} is ${shown}; it must be ${inWords(type)}`,
  );
}

function checkAxis<S extends Settings>(family: Family<S>, answers: HookAnswers): void {
  const { axis, kind } = answers;
  const [usual, ...others] = axesOf(family, kind);
  if (axis === usual || others.includes(axis)) return;
  const opening = Object.entries(family.options ?? {})
    .filter(([, { axes }]) => axes?.includes(axis)).map(([name]) => name);
  if (opening.some((name) => answers.options?.[name] !== undefined)) return;
  throw new QuantizerError(
    `${placeName(answers)}: family "${family.name}" ` +
      `${family.axes?.because ?? `has no other groups for ${kind}s`}; choose_axis must be ` +
      `"${usual}", not "${axis}"` +
      opening.map((name) => `, unless option "${name}" asks for it`).join(""),
  );
}

/** What needs calibration is calibrated, and nothing else is. */
function checkMode<S extends Settings>(
  { name, calibration = "never" }: Family<S>,
  answers: HookAnswers,
  options: Readonly<Record<string, unknown>>,
): void {
  const { calibrationMode: mode } = answers;
  if (calibration === "either") return;
  const byOption = typeof calibration !== "string";
  const learns = byOption ? calibration.some((o) => options[o]) : calibration === "always";
  if (learns === (mode === "offline")) return;
  const named = byOption ? calibration.map((o) => `"${o}"`).join(" and ") : "";
  const why = byOption
    ? learns ? `the options ${named} are calibrated` : `without the options ${named} there is ` +
      `nothing to calibrate`
    : learns
    ? `family "${name}" learns offline`
    : `family "${name}" has nothing to calibrate`;
  throw new QuantizerError(
    `${placeName(answers)}: ${why}; calibration_mode must be "${learns ? "offline" : "none"}", ` +
      `not "${mode}"`,
  );
}
