/**
 * The distribution of gamma variables: the regularized lower incomplete gamma function.
 *
 * @module
 */

/** A gamma distribution of unit scale. */
export interface GammaShare {
  /** Logarithm of the gamma function of its shape. */
  readonly logGamma: number;
  /** The share of it that lies below `x`, at least 0. */
  below(x: number): number;
}

/** Lanczos' coefficients for g = 7 (Godfrey, "A note on the computation of the convergent Lanczos
 * complex gamma approximation", 2001). */
const LANCZOS: readonly number[] = [
  0.99999999999980993,
  676.5203681218851,
  -1259.1392167224028,
  771.32342877765313,
  -176.61502916214059,
  12.507343278686905,
  -0.13857109526572012,
  9.9843695780195716e-6,
  1.5056327351493116e-7,
];

function logGamma(a: number): number {
  // The approximation is for a real part of at least a half.
  if (a < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * a)) - logGamma(1 - a);
  const x = a - 1;
  const sum = LANCZOS.reduce((all, c, i) => i === 0 ? c : all + c / (x + i));
  const t = x + 7.5;
  return Math.log(2 * Math.PI) / 2 + (x + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Terms of the series and the fraction at most; far fewer are needed. */
const MOST_TERMS = 500;

/**
 * The gamma distribution of a shape and unit scale: series 6.5.29 below the mean and continued
 * fraction 6.5.31 above it of Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964.
 *
 * @param shape above 0
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { gammaShare } from "./gamma_share.ts";
 *
 * // Shape 1 is the exponential distribution, of which half lies below the logarithm of 2.
 * assertAlmostEquals(gammaShare(1).below(Math.LN2), 0.5, 1e-12);
 * ```
 */
export function gammaShare(shape: number): GammaShare {
  const log = logGamma(shape);
  return {
    logGamma: log,
    below(x) {
      if (x <= 0) return 0;
      const scale = Math.exp(shape * Math.log(x) - x - log);
      return x < shape + 1 ? scale * seriesBelow(shape, x) : 1 - scale * fractionAbove(shape, x);
    },
  };
}

function seriesBelow(shape: number, x: number): number {
  let term = 1 / shape;
  let sum = term;
  for (let n = 1; n < MOST_TERMS && term > sum * 1e-16; n++) {
    term *= x / (shape + n);
    sum += term;
  }
  return sum;
}

/** Lentz's evaluation of the continued fraction. */
function fractionAbove(shape: number, x: number): number {
  let b = x + 1 - shape;
  let c = Infinity;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < MOST_TERMS; n++) {
    const a = -n * (n - shape);
    b += 2;
    d = 1 / (a * d + b);
    c = b + a / c;
    const change = c * d;
    fraction *= change;
    if (Math.abs(change - 1) < 1e-15) break;
  }
  return fraction;
}
