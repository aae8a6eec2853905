/**
 * Random numbers that a seed repeats exactly, for resampling.
 *
 * @module
 */

/** Uniform integers from a seed. */
export interface RandomSource {
  /** An integer in `[0, bound)`; `bound` is an integer in 1..2^32. */
  below(bound: number): number;
}

/** The 32-bit finalizer of MurmurHash3 (aappleby/smhasher, MurmurHash3.cpp). */
function mixed(state: number): number {
  let z = state;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

/**
 * A stream of random integers: xoshiro128++ (Blackman and Vigna, "Scrambled Linear Pseudorandom
 * Number Generators", 2021), its four words filled from a Weyl sequence that starts at the seed.
 *
 * @param seed any integer; only its lower 32 bits count
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { randomSource } from "./random.ts";
 *
 * const draws = () => {
 *   const random = randomSource(7);
 *   return [random.below(10), random.below(10), random.below(10)];
 * };
 * assertEquals(draws(), draws());
 * ```
 */
export function randomSource(seed: number): RandomSource {
  let counter = seed >>> 0;
  const word = () => mixed(counter = (counter + 0x9e3779b9) >>> 0);
  let a = word(), b = word(), c = word(), d = word();
  const next = (): number => {
    const sum = (a + d) >>> 0;
    const out = (((sum << 7) | (sum >>> 25)) + a) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return out;
  };
  return {
    // The product's upper part: no modulo bias worth naming for bounds far below 2^32.
    below: (bound) => Math.floor(next() / 2 ** 32 * bound),
  };
}

/**
 * A seed of its own for each of several parts of one run, so that parts do not share draws.
 *
 * @param seed the run's seed
 * @param part what is drawn for, such as the name of a slice
 */
export function seedFor(seed: number, part: string): number {
  let hash = 0x811c9dc5 ^ (seed >>> 0);
  for (const byte of new TextEncoder().encode(part)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return mixed(hash >>> 0);
}
