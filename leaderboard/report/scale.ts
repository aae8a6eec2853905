/**
 * From numbers to positions: linear, logarithmic, and two scales that spread what matters here.
 *
 * @module
 */

/** A scale and its inverse's domain. */
export interface Scale {
  /** Position in px. */
  (value: number): number;
}

/** A mark on an axis. */
export interface Tick {
  readonly value: number;
  readonly text: string;
}

/** Straight between the ends of `domain` and of `range`; a domain of one value maps to the middle. */
export function linear(
  domain: readonly [number, number],
  range: readonly [number, number],
): Scale {
  const span = domain[1] - domain[0];
  return (value) =>
    span === 0
      ? (range[0] + range[1]) / 2
      : range[0] + (value - domain[0]) / span * (range[1] - range[0]);
}

/** A scale that is linear in `transform(value)`. */
export function transformed(
  transform: (value: number) => number,
  domain: readonly [number, number],
  range: readonly [number, number],
): Scale {
  const inner = linear([transform(domain[0]), transform(domain[1])], range);
  return (value) => inner(transform(value));
}

/** Distance of a quality (0..100) to 100 on a log scale, 0.02 points below which all looks alike. */
export function lossOrder(quality: number): number {
  return -Math.log10(100 - Math.min(quality, 100) + 0.02);
}

/** Sign-keeping logarithm of a difference, linear below 0.05. */
export function signedOrder(difference: number): number {
  return Math.sign(difference) * Math.log10(1 + Math.abs(difference) / 0.05);
}

/** Round numbers within a domain of positive numbers, the roundest first; of any other, none. */
export function decadeTicks(domain: readonly [number, number]): Tick[] {
  if (!(domain[0] > 0 && domain[1] < Infinity)) return [];
  const ticks: Tick[] = [];
  for (const factor of [1, 2, 5, 3, 1.5, 7]) {
    for (let power = Math.floor(Math.log10(domain[0])); power <= Math.log10(domain[1]); power++) {
      const value = factor * 10 ** power;
      if (value >= domain[0] && value <= domain[1]) {
        ticks.push({ value, text: String(Number(value.toPrecision(3))) });
      }
    }
  }
  return ticks;
}

/** The ticks that stay `distance` px apart; earlier ones win. */
export function spaced(ticks: readonly Tick[], scale: Scale, distance: number): Tick[] {
  const kept: Tick[] = [];
  for (const tick of ticks) {
    if (kept.every((k) => Math.abs(scale(k.value) - scale(tick.value)) >= distance)) {
      kept.push(tick);
    }
  }
  return kept;
}
