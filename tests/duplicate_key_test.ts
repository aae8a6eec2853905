import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { duplicateKey } from "../duplicate_key.ts";

Deno.test("values, brackets in strings and equal keys of different objects are no duplicates", () => {
  assertEquals(
    duplicateKey('{"a": "a", "b": ["a", {"a": 1}], "c": "{\\"a\\": 1, \\"a\\": 2}"}'),
    undefined,
  );
  assertEquals(duplicateKey('[{"a": 1}, {"a": 2}]'), undefined);
});

Deno.test("a duplicate is found wherever it is", () => {
  assertEquals(duplicateKey('{"x": [{"k": {}, "k": []}]}'), "k");
  assertEquals(duplicateKey('{"": 1, "": 2}'), "");
  assertEquals(duplicateKey('{"a\\"b": 1, "a\\u0022b": 2}'), 'a"b');
  assertEquals(duplicateKey('{"a" \n : {"b": 1}, "a": 2}'), "a");
});

Deno.test("strings of many megabytes are passed over", () => {
  const long = '\\"'.repeat(2 ** 22);
  assertEquals(duplicateKey(`{"a": "${long}", "b": 1}`), undefined);
  assertEquals(duplicateKey(`{"a": "${long}", "a": 1}`), "a");
});

Deno.test("what JSON.stringify writes has none", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => duplicateKey(JSON.stringify(value)) === undefined),
  );
});
