/**
 * The assertions of `@std/assert` that this project uses, with the same signatures, over
 * `node:assert`. Without the `links` line of deno.json the real package takes its place.
 *
 * @module
 */
export { AssertionError, fail } from "./assertion_error.ts";
export {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotMatch,
  assertStringIncludes,
} from "./comparison.ts";
export {
  assertEquals,
  assertNotEquals,
  assertNotStrictEquals,
  assertStrictEquals,
  equal,
} from "./equality.ts";
export { assertInstanceOf, assertIsError, assertRejects, assertThrows } from "./errors.ts";
