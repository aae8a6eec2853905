/**
 * What a policy returned, as text and back: JSON, plus the values that JSON has no word for (a
 * policy that returns NaN must be told that it returned NaN). The reading side trusts nothing.
 *
 * @module
 */
import { UserError } from "../errors.ts";

/** Deepest nesting of arrays and objects that a reply may have. */
export const MOST_DEPTH = 32;
/** Most keys of all objects of a reply together. */
export const MOST_KEYS = 10_000;
/** Most values in all arrays and objects of a reply together. */
export const MOST_VALUES = 1_000_000;

/** A reply that is not read, and why. */
export class ReplyError extends UserError {
  override name = "ReplyError";
}

/**
 * Turns any value into one that JSON can hold. Refers to nothing outside itself: its text also runs
 * in the policy's realm.
 *
 * An object with the key `$` stands for what JSON lacks: `{"$": "NaN"}`, `{"$": "undefined"}`,
 * `{"$": "bigint", "v": "5"}`, and `{"$": "object", "v": …}` for an object that has such a key.
 */
export function encodeValue(value: unknown): unknown {
  if (typeof value === "number") {
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { $: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "bigint") return { $: "bigint", v: String(value).slice(0, 40) };
  if (typeof value !== "object") return { $: typeof value };
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return Array.from(value as unknown as ArrayLike<unknown>, encodeValue);
  }
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (let i = 0; i < value.length; i++) items.push(encodeValue(value[i]));
    return items;
  }
  const fields: Record<string, unknown> = Object.create(null);
  for (const key of Object.keys(value)) {
    fields[key] = encodeValue((value as Record<string, unknown>)[key]);
  }
  return "$" in fields ? { $: "object", v: fields } : fields;
}

/**
 * Reads a reply: counts before it parses, and builds every object anew.
 *
 * @throws {ReplyError} for text that is not JSON, too deep or too large, or holds a key that could
 *   reach an object's prototype
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { decodeReply, encodeValue, ReplyError } from "./reply_value.ts";
 *
 * const value = [4, NaN, undefined, { $: 1, names: ["a"] }];
 * assertEquals(decodeReply(JSON.stringify(encodeValue(value))), value);
 * assertThrows(() => decodeReply('{"__proto__": {"bits": 1}}'), ReplyError, "__proto__");
 * ```
 */
export function decodeReply(text: string): unknown {
  count(text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // deno-lint-ignore error-law/value -- what a policy sends is not repeated
    throw new ReplyError("It is not JSON");
  }
  return revive(parsed);
}

/** Counts structure outside strings in one pass, so that nothing large is ever built. */
function count(text: string): void {
  let depth = 0, keys = 0, values = 1;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      i = endOfString(text, i);
    } else if (char === "{" || char === "[") {
      if (++depth > MOST_DEPTH) throw new ReplyError(`It is nested deeper than ${MOST_DEPTH}`);
    } else if (char === "}" || char === "]") {
      depth--;
    } else if (char === ":") {
      if (++keys > MOST_KEYS) throw new ReplyError(`It has more than ${MOST_KEYS} keys`);
    } else if (char === ",") {
      if (++values > MOST_VALUES) throw new ReplyError(`It has more than ${MOST_VALUES} values`);
    }
  }
}

/** Index of the quotation mark that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  // deno-lint-ignore error-law/value -- what a policy sends is not repeated
  throw new ReplyError("It is not JSON");
}

/** Keys that reach a prototype when a careless line assigns them. */
const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);

const NUMBERS: Readonly<Record<string, number>> = {
  "NaN": NaN,
  "Infinity": Infinity,
  "-Infinity": -Infinity,
  "-0": -0,
};

function revive(value: unknown, inObject = false): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => revive(item, inObject));
  return Object.hasOwn(value, "$")
    ? reviveNamed(value as Record<string, unknown>, inObject)
    : reviveObject(value);
}

function reviveObject(value: object): Record<string, unknown> {
  const fresh: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    if (FORBIDDEN.has(key)) throw new ReplyError(`It has the key "${key}"`);
    fresh[key] = revive(field, true);
  }
  return fresh;
}

function reviveNamed({ $: name, v }: Record<string, unknown>, inObject: boolean): unknown {
  if (typeof name === "string" && Object.hasOwn(NUMBERS, name)) return NUMBERS[name];
  if (name === "undefined") return undefined;
  if (name === "object" && typeof v === "object" && v !== null && !Array.isArray(v)) {
    return reviveObject(v);
  }
  // An answer of a wrong type is for the check to name; deep inside an object no check looks.
  if (inObject && typeof name === "string" && STAND_INS.has(name)) {
    throw new ReplyError(`It holds a ${name}`);
  }
  if (name === "function") return () => undefined;
  if (name === "symbol") return Symbol();
  if (name === "bigint" && typeof v === "string" && /^-?\d{1,40}$/.test(v)) return BigInt(v);
  // deno-lint-ignore error-law/value -- what a policy sends is not repeated
  throw new ReplyError("It names a type that does not exist");
}

/** Types that are told apart but not carried over: what arrives is of the type, and that is all. */
const STAND_INS = new Set(["function", "symbol", "bigint"]);
