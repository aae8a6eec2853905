/**
 * What an answer may be, as data: one description gives the check, the sentence that says what would
 * be right, and the type.
 *
 * @module
 */

/**
 * What an answer may be.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type AnswerType, hooks } from "@kvreplay/kvreplay/quant";
 *
 * assertEquals<AnswerType>(hooks.outliers_ratio.value, { is: "number", least: 0, below: 1 });
 * ```
 */
export type AnswerType =
  | {
    readonly is: "integer";
    readonly least: number;
    readonly most?: number;
    /** Whether -1 is taken besides, for the whole head. */
    readonly orWholeHead?: true;
  }
  | {
    readonly is: "number";
    readonly least?: number;
    /** It must be larger than this. */
    readonly above?: number;
    readonly most?: number;
    /** It must be smaller than this. */
    readonly below?: number;
  }
  | { readonly is: "one of"; readonly names: readonly (string | number)[] }
  | { readonly is: "boolean" }
  | { readonly is: "text" }
  /** Two code widths, the smaller first. */
  | { readonly is: "width range"; readonly most: number }
  | { readonly is: "object" }
  /** The family looks at it itself, and says so in `words`. */
  | { readonly is: "own"; readonly words: string };

/** A size, or a number of things: one at least. */
export const POSITIVE = { is: "integer", least: 1 } as const;

/**
 * The type of the values that an answer type describes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { ValueOf } from "@kvreplay/kvreplay/quant";
 *
 * const rotation: ValueOf<{ is: "one of"; names: ["qr", "hadamard"] }> = "qr";
 * assertEquals(rotation, "qr");
 * ```
 */
export type ValueOf<T extends AnswerType> = T extends { readonly is: "integer" | "number" } ? number
  : T extends { readonly is: "one of"; readonly names: readonly (infer Name)[] } ? Name
  : T extends { readonly is: "boolean" } ? boolean
  : T extends { readonly is: "text" } ? string
  : T extends { readonly is: "width range" } ? readonly [number, number]
  : T extends { readonly is: "object" } ? Readonly<Record<string, unknown>>
  : unknown;

/**
 * Whether a value is one that the type describes.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fits } from "./answer_type.ts";
 *
 * assert(fits({ is: "number", above: 0, most: 1 }, 0.92));
 * assert(!fits({ is: "integer", least: 1 }, NaN));
 * assert(fits({ is: "integer", least: 1, orWholeHead: true }, -1));
 * ```
 */
export function fits(type: AnswerType, value: unknown): boolean {
  switch (type.is) {
    case "integer":
      return isInteger(value, type.least, type.most) || type.orWholeHead === true && value === -1;
    case "number":
      return typeof value === "number" && Number.isFinite(value) &&
        value >= (type.least ?? -Infinity) && value > (type.above ?? -Infinity) &&
        value <= (type.most ?? Infinity) && value < (type.below ?? Infinity);
    case "one of":
      return type.names.includes(value as string | number);
    case "boolean":
      return typeof value === "boolean";
    case "text":
      return typeof value === "string";
    case "width range":
      return Array.isArray(value) && value.length === 2 &&
        value.every((width) => isInteger(width, 0, type.most)) && value[0] <= value[1];
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "own":
      return true;
  }
}

function isInteger(value: unknown, least: number, most = Infinity): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

/**
 * What the type describes, in words that go on from "expected".
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { inWords } from "./answer_type.ts";
 *
 * assertEquals(inWords({ is: "number", least: 0, below: 1 }), "a number from 0 to below 1");
 * assertEquals(inWords({ is: "one of", names: ["qr", "hadamard"] }), '"qr" or "hadamard"');
 * ```
 */
export function inWords(type: AnswerType): string {
  switch (type.is) {
    case "integer": {
      const range = type.most === undefined
        ? `of at least ${type.least}`
        : `from ${type.least} to ${type.most}`;
      return `an integer ${range}${type.orWholeHead ? ", or -1 for the whole head" : ""}`;
    }
    case "number": {
      // Infinity is a number of at least 0.
      const open = type.most === undefined && type.below === undefined ||
        type.least === undefined && type.above === undefined;
      return `a ${open ? "finite " : ""}number${rangeInWords(type)}`;
    }
    case "one of":
      return type.names.map((name) => JSON.stringify(name)).join(" or ");
    case "boolean":
      return "true or false";
    case "text":
      return "text";
    case "width range":
      return `two integers from 0 to ${type.most}, the smaller first`;
    case "object":
      return "an object";
    case "own":
      return type.words;
  }
}

function rangeInWords(
  { least, above, most, below }: AnswerType & { readonly is: "number" },
): string {
  const from = least !== undefined ? `${least}` : above !== undefined ? `above ${above}` : "";
  const to = most !== undefined ? `${most}` : below !== undefined ? `below ${below}` : "";
  if (to === "") {
    return from === "" ? "" : least === undefined ? ` ${from}` : ` of at least ${from}`;
  }
  if (from === "") return most === undefined ? ` ${to}` : ` up to ${to}`;
  return least === undefined ? ` ${from} and up to ${to}` : ` from ${from} to ${to}`;
}
