/**
 * Rounding as `torch.round` and WGSL's `round` have it; `Math.round` is another.
 *
 * @module
 */

/** Nearest integer, ties to even, for doubles of modest size. */
export function roundEven(x: number): number {
  return x + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
}
