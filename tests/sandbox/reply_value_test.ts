import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  decodeReply,
  encodeValue,
  MOST_DEPTH,
  MOST_KEYS,
  MOST_VALUES,
  ReplyError,
} from "../../sandbox/reply_value.ts";

const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);
const key = fc.oneof(fc.constantFrom("$", "v", "", "a"), fc.string())
  .filter((name) => !FORBIDDEN.has(name));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.double(),
    fc.integer(),
    fc.string({ unit: "binary" }),
    fc.boolean(),
    fc.constantFrom(null, undefined, NaN, Infinity, -Infinity, -0),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

Deno.test("what is encoded is decoded to the same value", () => {
  fc.assert(fc.property(value, (original) => {
    assertEquals(decodeReply(JSON.stringify(encodeValue(original))), original);
  }));
});

Deno.test("any text is decoded without a change to any prototype, or refused", () => {
  const fragment = fc.oneof(
    fc.constantFrom("{", "}", "[", "]", ":", ",", '"', "\\", '"__proto__"', '"$"', "1", "null"),
    fc.constantFrom('"constructor"', '"prototype"', '{"$":"bigint","v":"1"}', '{"$":"object"}'),
    fc.string(),
  );
  const text = fc.oneof(fc.json(), fc.array(fragment).map((parts) => parts.join("")));
  const before = Object.getOwnPropertyNames(Object.prototype);
  fc.assert(fc.property(text, (hostile) => {
    try {
      const read = decodeReply(hostile);
      const plain = typeof read !== "object" || read === null || Array.isArray(read) ||
        Object.getPrototypeOf(read) === Object.prototype;
      assert(plain);
    } catch (error) {
      assert(error instanceof ReplyError, String(error));
    }
    assertEquals(Object.getOwnPropertyNames(Object.prototype), before);
  }));
});

Deno.test("structure is counted outside strings only", () => {
  const text = `${'{"'.repeat(20_000)}\\"${"[:,".repeat(20_000)}`;
  assertEquals(decodeReply(JSON.stringify(text)), text);
});

Deno.test("too much of anything is refused before it is parsed", () => {
  const deep = "[".repeat(MOST_DEPTH + 1) + "]".repeat(MOST_DEPTH + 1);
  assertThrows(() => decodeReply(deep), ReplyError, "nested deeper than 32");
  assertEquals(JSON.stringify(decodeReply(deep.slice(1, -1))), deep.slice(1, -1));
  const keys = (count: number) => `{${Array.from({ length: count }, (_, i) => `"${i}":0`).join()}}`;
  assertEquals(Object.keys(decodeReply(keys(MOST_KEYS)) as object).length, MOST_KEYS);
  assertThrows(() => decodeReply(keys(MOST_KEYS + 1)), ReplyError, "more than 10000 keys");
  const values = (count: number) => `[${"0,".repeat(count - 1)}0]`;
  assertEquals((decodeReply(values(MOST_VALUES)) as number[]).length, MOST_VALUES);
  assertThrows(() => decodeReply(values(MOST_VALUES + 1)), ReplyError, "more than 1000000 values");
});

Deno.test("reading takes time in proportion to the text, whatever it holds", () => {
  for (const unit of ['"\\', '"a', "\\", '"', "[]", '{"', '\\"']) {
    const start = performance.now();
    assertThrows(() => decodeReply(unit.repeat(500_000)), ReplyError);
    assert(performance.now() - start < 2000, `${unit} takes too long`);
  }
});
