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
