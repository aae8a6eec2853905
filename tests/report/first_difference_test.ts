import { assertEquals } from "@std/assert";
import { firstDifference } from "../../report/first_difference.ts";
import { VOLATILE } from "../../report/volatile.ts";

Deno.test("the first difference is found wherever it is", () => {
  const was = { a: [1, { b: "x", c: null }], d: 0.1 + 0.2 };
  const cases: [is: unknown, path: string[] | undefined][] = [
    [structuredClone(was), undefined],
    [{ d: 0.1 + 0.2, a: [1, { c: null, b: "x" }] }, undefined],
    [{ ...was, d: 0.3 }, ["d"]],
    [{ ...was, a: [1] }, ["a", "1"]],
    [{ ...was, a: [1, { b: "x", c: null }, 2] }, ["a", "2"]],
    [{ ...was, a: [1, { b: "x", c: 0 }] }, ["a", "1", "c"]],
    [{ ...was, a: { 0: 1, 1: { b: "x", c: null } } }, ["a"]],
    [{ a: was.a }, ["d"]],
    [{ ...was, e: false }, ["e"]],
    [null, []],
    [[], []],
  ];
  for (const [is, path] of cases) {
    assertEquals(firstDifference(was, is)?.path, path, JSON.stringify(is));
    assertEquals(firstDifference(is, was)?.path, path, JSON.stringify(is));
  }
  assertEquals(firstDifference(0, -0), { path: [], was: 0, is: -0 });
});

Deno.test("times and machines do not count, and numbers that are equal are counted", () => {
  const volatile = Object.fromEntries(VOLATILE.map((name) => [name, 1]));
  const seen = { numbers: 0 };
  const was = { ...volatile, results: { "decode_tokens_per_s,none": 5, "cache_error,none": 0.5 } };
  const is = { results: { "decode_tokens_per_s_stderr,none": 6, "cache_error,none": 0.5 } };
  assertEquals(firstDifference(was, is, seen), undefined);
  assertEquals(seen.numbers, 1);
});
