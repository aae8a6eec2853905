/**
 * WGSL that is written out instead of in a loop.
 *
 * @module
 */

/** The numbers below `count`. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Lines of WGSL, one for each number below `count`. */
export function lines(count: number, line: (i: number) => string): string {
  return upTo(count).map((i) => line(i)).join("\n");
}

/**
 * Values `first`, `first + step` and so on below `count`, added up as `sum_of` (frame.wgsl) does: halves on
 * halves.
 *
 * @param value absent where there is nothing to add
 */
export function halvedSum(
  first: number,
  step: number,
  count: number,
  value: (i: number) => string | undefined,
): string | undefined {
  if (step === count) return value(first);
  const halves = [first, first + step].map((from) => halvedSum(from, 2 * step, count, value));
  const there = halves.filter((half) => half !== undefined);
  return there.length === 2 ? `(${there.join(" + ")})` : there[0];
}
