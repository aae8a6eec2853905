/**
 * What a caller's options may be. A program that is not checked by TypeScript, or that reads them from
 * somewhere, is told what is wrong before anything runs.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { devices, precisions } from "../engine/devices/open.ts";
import { type AnswerType, fits, inWords, POSITIVE } from "../quant/answer_type.ts";
import { MOST_SEEDS } from "./most_seeds.ts";

/** What an option may be: one of the types of answers, or a word of JavaScript's. */
type OptionType = AnswerType | "function" | "array" | "signal";

/** Options by name. */
export type OptionTypes = Readonly<Record<string, OptionType>>;

/** Of `open`. */
export const LAB_OPTIONS = {
  device: { is: "one of", names: devices },
  precision: { is: "one of", names: precisions },
  tokenizer: { is: "text" },
  cache: { is: "text" },
  cacheLimit: { is: "number", least: 0 },
  families: "array",
  calibration: { is: "text" },
  calibrationData: { is: "text" },
  calibrationTokens: POSITIVE,
  threads: POSITIVE,
  notice: "function",
} as const satisfies OptionTypes;

/** Of a replay. */
export const REPLAY_OPTIONS = {
  budgetBits: { is: "integer", least: 1, most: 8 },
  seed: { is: "integer", least: 0, most: 2 ** 32 - 1 },
  seeds: { is: "integer", least: 1, most: MOST_SEEDS },
  limit: POSITIVE,
  maxNewTokens: POSITIVE,
  maxPromptTokens: POSITIVE,
  generate: { is: "boolean" },
  bytesPerPosition: POSITIVE,
  stepwise: { is: "boolean" },
  audit: { is: "boolean" },
  passOver: "array",
  signal: "signal",
  progress: "function",
  notice: "function",
  partial: "function",
  timeLeft: "function",
  journal: { is: "text" },
} as const satisfies OptionTypes;

const { generate: _g, maxNewTokens: _n, maxPromptTokens: _p, ...OF_EVERY_RUN } = REPLAY_OPTIONS;

/** Of a text that is read. */
export const PERPLEXITY_OPTIONS = {
  ...OF_EVERY_RUN,
  name: { is: "text" },
  window: POSITIVE,
  from: POSITIVE,
  every: POSITIVE,
} as const satisfies OptionTypes;

/**
 * Checks options.
 *
 * @throws {UserError} naming the option, its value and what would be right
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { UserError } from "../errors.ts";
 * import { checkOptions, REPLAY_OPTIONS } from "./option_checks.ts";
 *
 * checkOptions({ limit: 2 }, REPLAY_OPTIONS);
 * assertThrows(
 *   () => checkOptions({ limit: 0 }, REPLAY_OPTIONS),
 *   UserError,
 *   "The option limit is 0; expected an integer of at least 1",
 * );
 * ```
 */
export function checkOptions(options: object, types: OptionTypes): void {
  if (Object(options) !== options) {
    throw new UserError(`The options are ${options}; expected an object`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(types, name)) {
      throw new UserError(
        `There is no option ${name}; expected one of ${Object.keys(types).join(", ")}`,
      );
    }
    const type = types[name]!;
    if (value === undefined || isOfType(type, value)) continue;
    const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
    const want = typeof type !== "string"
      ? inWords(type)
      : { function: "a function", array: "an array", signal: "an AbortSignal" }[type];
    throw new UserError(`The option ${name} is ${shown}; expected ${want}`);
  }
}

function isOfType(type: OptionType, value: unknown): boolean {
  if (type === "function") return typeof value === "function";
  if (type === "array") return Array.isArray(value);
  if (type === "signal") return value instanceof AbortSignal;
  return fits(type, value);
}
