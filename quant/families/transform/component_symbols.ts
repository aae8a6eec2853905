/**
 * Components of a group of tokens to symbols and back, in WebAssembly, with vector instructions on the
 * way forth. `component_symbols.wat` is the source of the binary beside it; a test assembles it anew
 * and compares.
 *
 * @module
 */
import { growTo, memoryViews } from "../../numerics/wasm_memory.ts";
import { BYTE_BITS, MORE_FOLLOWS } from "../../packing/entropy_coder.ts";
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";
import { CERTAIN_ESCAPE, type SharedAlphabets } from "./component_alphabets.ts";
import { DEAD_ZONE } from "./component_codes.ts";
import { memory, to_symbols, to_values } from "./component_symbols.wasm";
import { isExact, LEVEL_FACTORS } from "./transform_layout.ts";

/** What is added to steps before they are cut to whole ones. */
const ROUNDING = 0.5 - DEAD_ZONE;
/** Says that a component escapes whatever it is. */
const BEYOND = 2 ** 30;
/** Components that go side by side. */
const LANES = 4;

/** Steps of the stored components at a level. */
export interface LevelSteps {
  readonly steps: Float32Array;
  /** The same, as many as go side by side, those that there are none of infinite; and in float64. */
  readonly divisors: Float32Array;
  readonly wideDivisors: Float64Array;
  /** `BEYOND` for components that are exact, else 0. */
  readonly beyond: Uint32Array;
}

/** Steps at a level below the one at which nothing is coded. */
export function levelSteps(planned: Float32Array, level: number): LevelSteps {
  const factor = LEVEL_FACTORS[level]!;
  const steps = planned.map((step) => Math.abs(step) * factor);
  const padded = Math.ceil(steps.length / LANES) * LANES;
  const divisors = new Float32Array(padded).fill(Infinity);
  divisors.set(steps);
  const beyond = new Uint32Array(padded);
  for (const [k, step] of planned.entries()) beyond[k] = isExact(step, level) ? BEYOND : 0;
  return { steps, divisors, wideDivisors: Float64Array.from(divisors), beyond };
}

/**
 * Codes components in the steps of a level.
 *
 * @param values `[tokens][stored]`; beyond half precision they are its largest
 * @param size symbols of an alphabet
 * @param symbols `[tokens][stored]`, filled
 * @param raw what follows the escapes, in their order, from index 0 on
 * @returns how many escape
 */
export function toSymbols(
  values: Float32Array,
  { steps, divisors, wideDivisors, beyond }: LevelSteps,
  size: number,
  symbols: Uint8Array,
  raw: Uint32Array,
): number {
  const stored = steps.length;
  if (stored === 0) return 0;
  const entries = values.length;
  const stepsAt = free;
  const narrowAt = stepsAt + 8 * divisors.length;
  const beyondAt = narrowAt + 4 * divisors.length;
  const valuesAt = beyondAt + 4 * divisors.length;
  const escapesAt = valuesAt + 4 * (entries + LANES);
  const symbolsAt = escapesAt + 8 * entries;
  const views = memoryViews(memory, symbolsAt + entries + LANES);
  views.doubles.set(wideDivisors, stepsAt / 8);
  views.floats.set(divisors, narrowAt / 4);
  views.words.set(beyond, beyondAt / 4);
  views.floats.set(values, valuesAt / 4);
  const end = to_symbols(
    valuesAt,
    entries / stored,
    stored,
    stepsAt,
    narrowAt,
    beyondAt,
    ROUNDING,
    size / 2,
    symbolsAt,
    escapesAt,
  );
  symbols.set(views.bytes.subarray(symbolsAt, symbolsAt + entries));
  let escapes = 0;
  for (let at = escapesAt / 4; at < end / 4; at += 2) {
    const value = views.floats[valuesAt / 4 + views.words[at]!]!;
    const more = Math.min(views.words[at + 1]! - size / 2, MORE_FOLLOWS);
    raw[escapes++] = more | (value < 0 ? MORE_FOLLOWS + 1 : 0) |
      (more === MORE_FOLLOWS ? toHalfBits(value) << BYTE_BITS : 0);
  }
  return escapes;
}

/** Where the levels of alphabets begin, and where free memory does, a multiple of 8. */
const places = new WeakMap<SharedAlphabets, number>();
let free = 0;

function placeOf(alphabets: SharedAlphabets): number {
  let at = places.get(alphabets);
  if (at === undefined) {
    const { levels } = alphabets;
    places.set(alphabets, at = free);
    free += (levels.byteLength + 7) & ~7;
    growTo(memory, free);
    new Float32Array(memory.buffer, at, levels.length).set(levels);
  }
  return at;
}

/**
 * What symbols stand for, in the steps of a level.
 *
 * @param row which alphabet each stored component has
 * @param symbols `[tokens][stored]`
 * @param raw what follows the escapes, in their order
 * @param values `[tokens][stored]`, filled
 */
export function toValues(
  alphabets: SharedAlphabets,
  row: Uint16Array,
  symbols: Uint8Array,
  raw: Uint32Array,
  { steps }: LevelSteps,
  values: Float32Array,
): void {
  const stored = steps.length;
  if (stored === 0) return;
  const levels = placeOf(alphabets);
  const size = alphabets.symbols;
  const rowAt = free;
  const stepsAt = rowAt + 4 * stored;
  const valuesAt = stepsAt + 4 * stored;
  const symbolsAt = valuesAt + 4 * symbols.length;
  const views = memoryViews(memory, symbolsAt + symbols.length);
  for (let k = 0, at = rowAt / 4; k < stored; k++) views.words[at++] = levels + row[k]! * 4 * size;
  views.floats.set(steps, stepsAt / 4);
  views.bytes.set(symbols, symbolsAt);
  to_values(symbolsAt, symbols.length / stored, stored, rowAt, stepsAt, valuesAt);
  values.set(views.floats.subarray(valuesAt / 4, symbolsAt / 4));
  const escape = size - 1;
  for (let at = symbols.indexOf(escape), i = 0; at >= 0; at = symbols.indexOf(escape, at + 1)) {
    const k = at % stored;
    const following = raw[i++]!;
    const beyond = following & MORE_FOLLOWS;
    const count = size / 2 + beyond;
    values[at] = row[k] === CERTAIN_ESCAPE || beyond === MORE_FOLLOWS
      ? fromHalfBits(following >>> BYTE_BITS)
      : (following > MORE_FOLLOWS ? -count : count) * steps[k]!;
  }
}
