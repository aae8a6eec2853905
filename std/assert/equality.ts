/** Deep and strict equality, over node:assert, which also writes the difference. */
import nodeAssert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { AssertionError, suffix } from "./assertion_error.ts";

/** Runs one check of node:assert and rethrows its failure as this package's error. */
function check(run: () => void, what: string, msg: string | undefined): void {
  try {
    run();
  } catch (error) {
    throw new AssertionError(`${what}${suffix(msg)}\n${(error as Error).message}`);
  }
}

/** Fails unless `actual` and `expected` are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  check(() => nodeAssert.deepStrictEqual(actual, expected), "Values are not equal", msg);
}

/** Fails if `actual` and `expected` are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  check(() => nodeAssert.notDeepStrictEqual(actual, expected), "Values are equal", msg);
}

/** Fails unless `Object.is(actual, expected)`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  check(() => nodeAssert.strictEqual(actual, expected), "Values are not strictly equal", msg);
}

/** Fails if `Object.is(actual, expected)`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  check(() => nodeAssert.notStrictEqual(actual, expected), "Values are strictly equal", msg);
}

/** Whether two values are deeply equal. */
export function equal(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b);
}
