/**
 * Which tables suit the symbols of a group of tokens, band by band, in WebAssembly with vector
 * instructions: the costs of all shifts are added at once. `fit_bands.wat` is the source of the binary
 * beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { growTo } from "../../numerics/wasm_memory.ts";
import { CERTAIN_ESCAPE, coarserTable, type SharedAlphabets } from "./component_alphabets.ts";
import { fit, memory } from "./fit_bands.wasm";
import { BAND_COMPONENTS, SHIFT_QUARTERS } from "./transform_layout.ts";

/** Bytes of what one symbol costs under every shift, 16 bits each. */
const COST_BYTES = 2 * SHIFT_QUARTERS.length;

/** Where the costs of every size of alphabets begin, and where free memory does. */
const places = new WeakMap<SharedAlphabets, number>();
let free = COST_BYTES;

/**
 * Shifts the tables of every band to where its symbols cost least; of equals the first.
 *
 * @param tables of the stored components, before they are shifted
 * @param symbols `[tokens][stored]`, of 16 tokens at most: sums of more may not fit 16 bits
 * @param shifts `[bands]`, filled
 * @returns what all symbols cost then, in `COST_SHARE`ths of a bit
 */
export function fitBands(
  alphabets: SharedAlphabets,
  tables: Uint16Array,
  symbols: Uint8Array,
  shifts: Uint8Array,
): number {
  if (tables.length === 0) return 0;
  const costs = places.get(alphabets) ?? place(alphabets);
  const tablesAt = free;
  const shiftsAt = tablesAt + 4 * tables.length;
  const symbolsAt = shiftsAt + shifts.length;
  growTo(memory, symbolsAt + symbols.length);
  const addresses = new Uint32Array(memory.buffer, tablesAt, tables.length);
  const tableBytes = COST_BYTES * alphabets.symbols;
  for (let k = 0; k < tables.length; k++) addresses[k] = costs + tables[k]! * tableBytes;
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(symbols, symbolsAt);
  const sum = fit(
    symbolsAt,
    symbols.length,
    tables.length,
    BAND_COMPONENTS,
    tablesAt,
    shiftsAt,
    0,
  );
  shifts.set(bytes.subarray(shiftsAt, shiftsAt + shifts.length));
  return sum;
}

/** Puts the costs of alphabets into memory: `[tables][symbols][shifts]`. */
function place(alphabets: SharedAlphabets): number {
  const { symbols, costs } = alphabets;
  const at = free;
  const tables = costs.length / symbols;
  free += tables * symbols * COST_BYTES;
  growTo(memory, free);
  const into = new Uint16Array(memory.buffer, at, costs.length * SHIFT_QUARTERS.length);
  for (let table = 0; table < tables; table++) {
    for (const [shift, quarters] of SHIFT_QUARTERS.entries()) {
      const own = table === CERTAIN_ESCAPE ? table : coarserTable(table, quarters);
      for (let symbol = 0; symbol < symbols; symbol++) {
        into[(table * symbols + symbol) * SHIFT_QUARTERS.length + shift] =
          costs[own * symbols + symbol]!;
      }
    }
  }
  places.set(alphabets, at);
  return at;
}
