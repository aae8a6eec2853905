/**
 * Changes of a valid file, drawn at random: of its bytes, of the numbers that bytes may stand for, of
 * its text, and of the values of its JSON.
 *
 * @module
 */
import fc from "fast-check";

/** One change; positions are taken modulo what there is. */
export type Change =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "set"; readonly at: number; readonly bytes: readonly number[] }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: readonly number[] }
  | { readonly kind: "cut"; readonly at: number; readonly length: number }
  | { readonly kind: "end"; readonly at: number }
  | {
    readonly kind: "repeat";
    readonly at: number;
    readonly length: number;
    readonly times: number;
  }
  | { readonly kind: "word"; readonly at: number; readonly value: bigint; readonly bytes: 4 | 8 }
  | { readonly kind: "nest"; readonly at: number; readonly text: string; readonly times: number }
  | { readonly kind: "literal"; readonly nth: number; readonly text: string }
  | { readonly kind: "value"; readonly nth: number; readonly text: string }
  | { readonly kind: "remove"; readonly nth: number }
  | { readonly kind: "swap"; readonly nth: number; readonly other: number };

/** What a number or a value is replaced by: limits, other types, and what is no JSON. */
const LITERALS = [
  ...["0", "-0", "-1", "1", "2", "0.5", "1e308", "-1e308", "1e999", "1e-320", "2147483648"],
  ...["4294967295", "9007199254740991", "9007199254740993", "18446744073709551615", "1e21"],
  ...["NaN", "Infinity", "null", "true", "false", '""', '"NaN"', '"\\u0000"', '"\\ud800"', "[]"],
  ...["{}", "[[]]", "[null]", "[1e9]", '{"__proto__":{}}', '{"length":1e9}', '"(a+)+$"', '"{{"'],
];

const WORDS = [0n, 1n, 2n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 53n, (1n << 63n) - 1n]
  .concat([1n << 63n, (1n << 64n) - 1n, 100_000_001n, 1n << 40n]);

const at = fc.nat(1 << 30);
const bytes = fc.array(fc.nat(255), { minLength: 1, maxLength: 16 });

/** Any change. */
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("set" as const), at, bytes }),
  fc.record({ kind: fc.constant("insert" as const), at, bytes }),
  fc.record({ kind: fc.constant("cut" as const), at, length: fc.nat(5000) }),
  fc.record({ kind: fc.constant("end" as const), at }),
  fc.record({
    kind: fc.constant("repeat" as const),
    at,
    length: fc.nat(300),
    times: fc.integer({ min: 2, max: 50 }),
  }),
  fc.record({
    kind: fc.constant("word" as const),
    at,
    value: fc.constantFrom(...WORDS),
    bytes: fc.constantFrom(4 as const, 8 as const),
  }),
  fc.record({
    kind: fc.constant("nest" as const),
    at,
    text: fc.constantFrom("[", '{"a":', "{{", "{% if a %}", "(", "\\"),
    times: fc.constantFrom(3, 200, 20_000),
  }),
  {
    arbitrary: fc.record({
      kind: fc.constant("literal" as const),
      nth: at,
      text: fc.constantFrom(...LITERALS),
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("value" as const),
      nth: at,
      text: fc.constantFrom(...LITERALS),
    }),
    weight: 6,
  },
  { arbitrary: fc.record({ kind: fc.constant("remove" as const), nth: at }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant("swap" as const), nth: at, other: at }), weight: 2 },
);

/** What is read: a valid file after some changes, or any bytes. */
export type Input = { readonly seed: number; readonly changes: readonly Change[] } | Uint8Array;

/** Inputs of a reader with so many valid files. */
export function inputs(seeds: number): fc.Arbitrary<Input> {
  return fc.oneof(
    { arbitrary: fc.uint8Array({ maxLength: 200 }), weight: 1 },
    {
      arbitrary: fc.record({
        seed: fc.nat(seeds - 1),
        changes: fc.array(change, { minLength: 1, maxLength: 4 }),
      }),
      weight: 9,
    },
  );
}

/** The bytes of an input. */
export function bytesOf(input: Input, seeds: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  if (input instanceof Uint8Array) return input.slice();
  return input.changes.reduce(changed, seeds[input.seed]!.slice());
}

function changed(was: Uint8Array<ArrayBuffer>, change: Change): Uint8Array<ArrayBuffer> {
  if (was.length === 0) return was;
  const at = "at" in change ? change.at % was.length : 0;
  switch (change.kind) {
    case "flip":
      was[at]! ^= 1 << change.bit;
      return was;
    case "set":
      change.bytes.forEach((byte, i) => was[(at + i) % was.length] = byte);
      return was;
    case "insert":
      return joined(was.subarray(0, at), Uint8Array.from(change.bytes), was.subarray(at));
    case "cut":
      return joined(was.subarray(0, at), was.subarray(at + change.length));
    case "end":
      return was.slice(0, at);
    case "repeat": {
      const part = was.subarray(at, at + change.length);
      const parts = Array<Uint8Array>(change.times).fill(part);
      return joined(was.subarray(0, at), ...parts, was.subarray(at + change.length));
    }
    case "word": {
      const word = new Uint8Array(new BigUint64Array([change.value]).buffer, 0, change.bytes);
      was.set(word.subarray(0, Math.min(word.length, was.length - at)), at);
      return was;
    }
    case "nest": {
      const text = new TextEncoder().encode(change.text.repeat(change.times));
      return joined(was.subarray(0, at), text, was.subarray(at));
    }
    case "literal":
      return inText(was, (text) => withLiteral(text, change.nth, change.text));
    default:
      return inText(was, (text) => withValue(text, change));
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Changes the text of a file, byte for byte where it is none. */
function inText(
  bytes: Uint8Array<ArrayBuffer>,
  change: (text: string) => string,
): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder("latin1").decode(bytes);
  const after = change(text);
  return after === text ? bytes : Uint8Array.from(after, (char) => char.charCodeAt(0));
}

/** Another number or text, the n-th that stands there. */
function withLiteral(text: string, nth: number, literal: string): string {
  const found = [...text.matchAll(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|"(?:[^"\\]|\\.)*"/g)];
  const one = found[nth % found.length];
  return one === undefined
    ? text
    : text.slice(0, one.index) + literal + text.slice(one.index + one[0].length);
}

type Holder = Record<string, unknown>;

/** Another value in the first object or list of a text that is JSON; of lines of it, in one line. */
function withValue(
  text: string,
  change: Extract<Change, { readonly kind: "value" | "remove" | "swap" }>,
): string {
  const lines = text.split("\n");
  const line = change.nth % lines.length;
  for (const [before, json, after] of [["", text, ""], around(lines, line)]) {
    const start = json!.search(/[[{]/);
    const end = Math.max(json!.lastIndexOf("}"), json!.lastIndexOf("]")) + 1;
    let value: Holder;
    try {
      value = JSON.parse(json!.slice(start, end));
    } catch {
      continue;
    }
    const marker = "\u0001";
    const places = placesIn(value);
    if (places.length === 0) continue;
    const { holder, key } = places[change.nth % places.length]!;
    if (change.kind === "remove") {
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
    } else if (change.kind === "swap") {
      const other = places[change.other % places.length]!;
      [holder[key], other.holder[other.key]] = [structuredClone(other.holder[other.key]), 0];
    } else holder[key] = marker;
    const literal = change.kind === "value" ? change.text : "";
    const made = JSON.stringify(value).replace(JSON.stringify(marker), () => literal);
    return before + json!.slice(0, start) + made + json!.slice(end) + after;
  }
  return text;
}

function around(lines: readonly string[], line: number): [string, string, string] {
  const before = lines.slice(0, line).map((text) => `${text}\n`).join("");
  const after = lines.slice(line + 1).map((text) => `\n${text}`).join("");
  return [before, lines[line]!, after];
}

function placesIn(value: unknown): { holder: Holder; key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Holder;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesIn(holder[key])]);
}
