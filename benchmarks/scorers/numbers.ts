/**
 * Numbers as people write them: with thousands separators, signs, currency, percent, decimals and
 * units, as fractions, and in TeX.
 *
 * Every number has one text, so that equal texts are equal numbers: digits alone, or a fraction in
 * lowest terms. Zeros in front stay, as in a key, which is no quantity.
 *
 * @module
 */

/** Between groups of three digits: also an apostrophe and the spaces that do not break a line. */
const SEPARATOR = "[,'’\\u00a0\\u2009\\u202f]";

const GROUPED = `\\p{Nd}{1,3}(?:${SEPARATOR}\\p{Nd}{3}){1,40}(?!${SEPARATOR}?\\p{Nd})`;

/** An integer or a decimal; of `1.2.3`, which is neither, the parts. */
const UNSIGNED = `(?:(?:${GROUPED}|\\p{Nd}+)(?:\\.\\p{Nd}+(?!\\.?\\p{Nd}))?` +
  "|(?<![^\\s([{$=:\"'“‘*−-])\\.\\p{Nd}+)";

/** A minus is a sign only where nothing stands before it that it could join or subtract from. */
const MINUS = "(?:(?<![^\\s([{=:\"'“‘*])[-−]\\s?\\p{Sc}?)?";

/** A fraction, or an integer and a fraction; of a date, which is neither, nothing. */
const QUOTIENT = "(?:\\p{Nd}{1,30}\\s{1,2})?\\p{Nd}{1,30}\\s?[/⁄]\\s?\\p{Nd}{1,30}" +
  "(?![/⁄.,]?\\p{Nd})";

/** Digits of a number that is worked with rather than copied. */
const MOST_DIGITS = 30;

/** Characters of a text that is looked at as one number. */
const LONGEST = 1000;

/** Units that may be glued to a number, or make a number of a text that holds nothing else. */
const UNIT =
  "(?:%|‰|°[CF]?|\\p{Sc}|[kcmµnMG]?(?:m|g|s|l|L|J|W|V|A|N|Pa|Hz|eV|mol|cal)(?:[²³]|\\^?[23])?" +
  "|K|t|h|min|hrs?|hours?|minutes?|seconds?|days?|weeks?|months?|years?|(?:kilo|centi|milli)?met(?:er|re)s?" +
  "|miles?|feet|foot|ft|inch(?:es)?|in|yd|lbs?|oz|mph|(?:kilo)?grams?|(?:kilo)?joules?|(?:kilo)?watts?|volts?" +
  "|amps?|newtons?|lit(?:er|re)s?|degrees?|percent|dollars?|cents?|euros?|pounds?|yen|USD|EUR|GBP)";

/** One unit, or one per another. */
const UNITS = `(?:${UNIT}(?:\\s?(?:/|per)\\s?${UNIT})?)`;

/** Sign and currency in either order, then the number. */
const AMOUNT = `(?:US|USD|EUR|GBP)?\\s?\\p{Sc}?\\s?(?<sign>[-−+]?)\\s?\\p{Sc}?\\s?` +
  `(?:(?<quotient>${QUOTIENT})|(?<number>${UNSIGNED}))`;

const WHOLE = new RegExp(`^${AMOUNT}\\s?${UNITS}?$`, "u");
const LEADING = new RegExp(`^${AMOUNT}${UNITS}?(?![\\p{L}\\p{Nd}_]|[.,]\\p{Nd})`, "u");
const NUMBERS = new RegExp(`${MINUS}${UNSIGNED}`, "gu");
const FRACTIONS = new RegExp(`${MINUS}${QUOTIENT}`, "gu");

/** The same without the TeX around numbers: braces, spacing, fractions, escaped signs. */
export function withoutTex(text: string): string {
  if (!/[\\{]/.test(text)) return text;
  return text
    .replaceAll("{,}", ",")
    .replaceAll(/\\[,!;:]/g, "")
    .replaceAll(/\\([$%])/g, "$1")
    .replaceAll(/\\[dt]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))/g, "$1$2/$3$4")
    .replaceAll(/\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}/g, "$1");
}

/**
 * The numbers in a text, from left to right, of any script. A number is found wherever there are
 * digits, as Python's `\d+` finds them: a fraction gives its parts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { numbersIn } from "./numbers.ts";
 *
 * assertEquals(numbersIn("$1,000.50 for 3 of 12, or 007."), ["2001/2", "3", "12", "007"]);
 * ```
 */
export function numbersIn(text: string): string[] {
  return (withoutTex(text).match(NUMBERS) ?? []).map(simplest);
}

/** The fractions in a text: `6/4` is `3/2`. */
export function fractionsIn(text: string): string[] {
  return (withoutTex(text).match(FRACTIONS) ?? []).flatMap((text) => quotientOf(text) ?? []);
}

/**
 * The one number that a text is, with a currency, a percent sign or a unit or without; undefined when it is
 * something else.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readNumber } from "./numbers.ts";
 *
 * assertEquals(["1,000", "$1000.00", "1000 km/h", "\\boxed{2000/2}"].map(readNumber), [
 *   ...Array(4).fill("1000"),
 * ]);
 * assertEquals(["three", "7 Elm Street", "6+4=10"].map(readNumber), [...Array(3).fill(undefined)]);
 * ```
 */
export function readNumber(text: string): string | undefined {
  if (text.length > LONGEST) return undefined;
  return valueOf(WHOLE.exec(unwrapped(withoutTex(text)))?.groups);
}

/**
 * The number that a text begins with, and what follows it; undefined when it begins with something else,
 * or a letter that is no unit's is glued to it.
 */
export function leadingNumber(
  text: string,
): { readonly value: string; readonly rest: string } | undefined {
  const match = LEADING.exec(text);
  const value = valueOf(match?.groups);
  return value === undefined ? undefined : { value, rest: text.slice(match![0].length) };
}

/** The value of an `AMOUNT`. */
function valueOf(groups: Readonly<Record<string, string | undefined>> = {}): string | undefined {
  const { sign, quotient, number } = groups;
  const value = quotient !== undefined
    ? quotientOf(quotient)
    : number !== undefined
    ? simplest(number)
    : undefined;
  const minus = sign === "-" || sign === "−";
  return minus && value !== undefined && value !== "0" ? `-${value}` : value;
}

/** Whether a number found in a text is the one that is wanted; one without a sign is found under any. */
export function isNumber(found: string, wanted: string): boolean {
  return found === wanted || found === `-${wanted}`;
}

/** Share of `numbers` that are `wanted`; 0 when there is none. */
export function shareOf(wanted: string, numbers: readonly string[]): number {
  if (numbers.length === 0) return 0;
  return numbers.filter((number) => isNumber(number, wanted)).length / numbers.length;
}

/** A text without what encloses it, and without the full stop after it. */
function unwrapped(text: string): string {
  let bare = text.trim().replace(/[.,;:!]+$/, "");
  for (;;) {
    const inner = /^(?:\\boxed\s*\{(.*)\}|\((.*)\)|\$(.*)\$|\*+(.*?)\*+|"(.*)"|\\\((.*)\\\))$/s
      .exec(bare)?.slice(1).find((part) => part !== undefined);
    if (inner === undefined) return bare;
    bare = inner.trim().replace(/[.,;:!]+$/, "");
  }
}

/** The one text of a number as it was matched, its sign included. */
function simplest(matched: string): string {
  const [whole = "", decimals = ""] = matched.replaceAll(/[^\p{Nd}.]/gu, "").split(".");
  const value = decimals === ""
    ? whole
    : lowest(`${whole}${decimals}`, `1${"0".repeat(decimals.length)}`) ?? `${whole}.${decimals}`;
  return /^[-−]/.test(matched) ? `-${value}` : value;
}

/** The same of a fraction, perhaps after an integer; undefined where it has no value. */
function quotientOf(matched: string): string | undefined {
  const [above = "", below = ""] = matched.replaceAll(/[^\p{Nd}\s/⁄]/gu, "").split(/[/⁄]/);
  const [first = "", second] = above.trim().split(/\s+/);
  const value = second === undefined
    ? lowest(first, below.trim())
    : lowest(second, below.trim(), first);
  return /^[-−]/.test(matched) && value !== undefined ? `-${value}` : value;
}

/**
 * `plus + above / below` in lowest terms; undefined for digits that are not ASCII's or too many, and
 * for a zero below.
 */
function lowest(above: string, below: string, plus = "0"): string | undefined {
  const digits = (text: string) => /^[0-9]+$/.test(text) && text.length <= MOST_DIGITS + 1;
  if (![above, below, plus].every(digits)) return undefined;
  const under = BigInt(below);
  if (under === 0n) return undefined;
  const over = BigInt(above) + BigInt(plus) * under;
  let [divisor, rest] = [over, under];
  while (rest !== 0n) [divisor, rest] = [rest, divisor % rest];
  const [n, d] = [over / divisor, under / divisor];
  return d === 1n ? `${n}` : `${n}/${d}`;
}
