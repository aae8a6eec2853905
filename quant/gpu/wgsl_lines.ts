/**
 * WGSL that is written out instead of in a loop.
 *
 * @module
 */

/** Lines of WGSL, one for each number below `count`. */
export function lines(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join("\n");
}
