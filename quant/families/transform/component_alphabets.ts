/**
 * The alphabets that all components share. What a component holds looks like a generalized normal
 * distribution: a bell, flatter or with heavier tails. So a component does not need frequencies and
 * levels of its own; one number says which of a few hundred tables fits it, and the tables follow from
 * formulas. Coarser steps have the tables of a wider step, so that a stream can be made shorter than
 * it was planned without anything more to keep.
 *
 * Source of the distribution: Nadarajah, "A generalized normal distribution", Journal of Applied
 * Statistics 32(7), 2005. It was found to fit transform coefficients by Birney and Fischer, "On the
 * modeling of DCT and subband image data for compression", IEEE Transactions on Image Processing 4(2),
 * 1995.
 *
 * @module
 */
import { type Alphabets, alphabetsOf, frequenciesOf } from "../../packing/entropy_coder.ts";
import { BYTE_BITS, FREQUENCY_BITS } from "../../packing/entropy_coder.ts";
import { gammaShare } from "../../numerics/gamma_share.ts";
import { type ComponentFill, DEAD_ZONE, stepsOf } from "./component_codes.ts";

/** Exponents of the distributions: 1 is Laplace's, 2 the normal one, 8 is nearly even. */
const SHAPES: readonly number[] = [0.4, 0.6, 0.8, 1, 1.3, 1.7, 2.2, 8];

/** Widths of a step that there are tables for, a quarter of an octave apart. */
export const RATIOS = 25;

/** Index of a step of one standard deviation. */
const ONE_DEVIATION = 12;

/** Tables of an alphabet size, but for the one whose symbols all escape. */
export const TABLES = SHAPES.length * RATIOS;

/** The table, behind the others, whose escape is certain and costs nothing but its raw bits. */
export const CERTAIN_ESCAPE = TABLES;

/** Every table of one alphabet size. */
export interface SharedAlphabets extends Alphabets {
  /** `[tables][symbols]`: restored value of every symbol, in steps; 0 for the escape. */
  readonly levels: Float32Array<ArrayBuffer>;
}

const known = new Map<number, SharedAlphabets>();

/**
 * The tables of alphabets of so many symbols; table `shape * RATIOS + ratio`.
 *
 * @param symbols escape included, a power of 2
 */
export function sharedAlphabets(symbols: number): SharedAlphabets {
  let made = known.get(symbols);
  if (made === undefined) known.set(symbols, made = makeTables(symbols));
  return made;
}

function makeTables(symbols: number): SharedAlphabets {
  const frequencies: number[] = [];
  const levels: number[] = [];
  for (const shape of SHAPES) {
    for (let ratio = 0; ratio < RATIOS; ratio++) {
      const table = tableOf(shape, 2 ** ((ratio - ONE_DEVIATION) / 4), symbols);
      frequencies.push(...frequenciesOf(table.shares));
      levels.push(...table.levels);
    }
  }
  frequencies.push(...new Array<number>(symbols - 1).fill(0), 1 << FREQUENCY_BITS);
  levels.push(...new Array<number>(symbols).fill(0));
  return {
    ...alphabetsOf(symbols, frequencies, CERTAIN_ESCAPE),
    levels: Float32Array.from(levels),
  };
}

/** Likelihood and mean of what every symbol stands for. */
function tableOf(
  shape: number,
  step: number,
  symbols: number,
): { shares: number[]; levels: number[] } {
  // With z = (|x| / scale)^shape, |x| has the distribution of a gamma variable of 1 / shape, and its
  // mean up to a limit that of one of 2 / shape.
  const [first, second, third] = [1, 2, 3].map((moment) => gammaShare(moment / shape));
  const scale = Math.exp((first!.logGamma - third!.logGamma) / 2);
  const meanSize = scale * Math.exp(second!.logGamma - first!.logGamma);
  const upTo = (steps: number) => {
    const z = (steps * step / scale) ** shape;
    return { share: first!.below(z), mean: meanSize * second!.below(z) };
  };
  const shares: number[] = [];
  const levels: number[] = [];
  const nothing = { share: 0, mean: 0 };
  let reached = nothing;
  for (let symbol = 0; symbol < symbols - 1; symbol++) {
    const steps = stepsOf(symbol);
    if (steps < 0) {
      // The mirror image of the symbol before it.
      shares.push(shares.at(-1)!);
      levels.push(-levels.at(-1)!);
      continue;
    }
    const end = upTo(steps + 0.5 + DEAD_ZONE);
    const share = end.share - reached.share;
    shares.push(steps === 0 ? share : share / 2);
    const mean = (end.mean - reached.mean) / share / step;
    // Of hardly anything, a mean is rounding errors.
    const sound = share > 1e-9 && Math.abs(mean - steps) <= 0.5 + DEAD_ZONE;
    levels.push(steps === 0 ? 0 : sound ? mean : steps);
    reached = end;
  }
  shares.push(1 - reached.share);
  levels.push(0);
  return { shares: shares.map((share) => Math.max(0, share)), levels };
}

/** The table of the same shape for a step that is wider by so many quarters of an octave. */
export function coarserTable(table: number, quarters: number): number {
  const ratio = table % RATIOS;
  return table - ratio + Math.max(0, Math.min(RATIOS - 1, ratio + quarters));
}

/** A table and what it makes of the values that it was chosen for. */
export interface ChosenTable {
  readonly table: number;
  /** Bits per value, raw bits of escapes included. */
  readonly bits: number;
  /** Mean squared error, as a share of the squared step. */
  readonly error: number;
}

/** Mean squared error of an escape, as a share of the squared step: it keeps whole steps. */
const ESCAPE_ERROR = 1 / 12 + DEAD_ZONE ** 2;

/** Quarters of an octave to each side that a step's width is mistaken by at most. */
const SEARCHED = 6;

/**
 * The table in which values take the fewest bits.
 *
 * @param fill what the symbols stand for, from `ComponentValues.fill`
 * @param deviations the step, in standard deviations of the values
 */
export function chooseTable(fill: ComponentFill, deviations: number): ChosenTable {
  const { counts, sums, squares } = fill;
  const symbols = counts.length;
  const shared = sharedAlphabets(symbols);
  const logs = logFrequencies(symbols);
  const middle = Math.round(4 * Math.log2(deviations)) + ONE_DEVIATION;
  const lowest = Math.min(RATIOS - 1, Math.max(0, middle - SEARCHED));
  const highest = Math.max(0, Math.min(RATIOS - 1, middle + SEARCHED));
  let best = 0;
  let least = Infinity;
  for (let shape = 0; shape < SHAPES.length; shape++) {
    for (let ratio = lowest; ratio <= highest; ratio++) {
      const at = (shape * RATIOS + ratio) * symbols;
      let bits = 0;
      for (let symbol = 0; symbol < symbols; symbol++) bits -= counts[symbol]! * logs[at + symbol]!;
      if (bits < least) [best, least] = [shape * RATIOS + ratio, bits];
    }
  }
  const count = counts.reduce((a, b) => a + b, 0);
  const escapes = counts[symbols - 1]!;
  let error = escapes * ESCAPE_ERROR;
  for (let symbol = 0; symbol < symbols - 1; symbol++) {
    const level = shared.levels[best * symbols + symbol]!;
    error += squares[symbol]! + level * (level * counts[symbol]! - 2 * sums[symbol]!);
  }
  return {
    table: best,
    bits: (least + BYTE_BITS * escapes) / count,
    error: Math.max(0, error) / count,
  };
}

const logsOf = new Map<number, Float64Array>();

/** Logarithms to base 2 of the likelihoods, table after table. */
function logFrequencies(symbols: number): Float64Array {
  let logs = logsOf.get(symbols);
  if (logs === undefined) {
    const { frequencies } = sharedAlphabets(symbols);
    logs = Float64Array.from(frequencies, (f) => Math.log2(f) - FREQUENCY_BITS);
    logsOf.set(symbols, logs);
  }
  return logs;
}
