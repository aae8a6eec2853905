/**
 * Rounds of HQQ's search in WebAssembly, two groups at a time, to the last bit what `groupSums` gives
 * group by group. Groups that it does not cover are left to that: those with entries beyond the codes
 * by more than half a step, and those of which next to all errors are sparse. `hqq_round.wat` is the
 * source of the binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { type GroupSums, groupSums, powers, TABLE_STEPS, usesTable } from "./hqq_group.ts";
import { memory, plain, table } from "./hqq_round.wasm";
import { growTo } from "../../numerics/wasm_memory.ts";

/** The table of powers, which comes first in the kernels' memory. */
const TABLE_FLOATS = TABLE_STEPS + 4;

let tableIsThere = false;

/**
 * The kernel takes what a power grows by from the next one. It does not from the lower half of the
 * table to the upper one: between them, and behind the end, a power is repeated.
 */
function fillTable(table: Float64Array): void {
  const half = TABLE_STEPS / 2;
  table.set(powers.subarray(0, half));
  table[half] = powers[half - 1]!;
  table.set(powers.subarray(half), half + 1);
  table.fill(powers[TABLE_STEPS]!, TABLE_STEPS + 2);
  tableIsThere = true;
}

/** Numbers that the kernels store of a group. */
const RESULTS = 3;

/** The groups of a block, in the kernels' memory, which holds one block at a time. */
export class HqqRounds {
  /** `[groups][size]`, in steps; filled by the caller. */
  readonly entries: Float32Array;
  /** Zero points, in steps; filled and moved by the caller. */
  readonly zeros: Float64Array;
  readonly #size: number;
  readonly #reaches: Float64Array;
  readonly #sparse: Float64Array;
  readonly #bounds: Float64Array;
  readonly #results: Float64Array;
  readonly #listed: Int32Array;

  /**
   * @param reaches `[groups]`: `r` of every group
   * @param sparse `[groups]`: size of an error from which on a part of it is sparse
   */
  constructor(reaches: Float64Array, sparse: Float64Array, size: number) {
    const groups = reaches.length;
    let bytes = 8 * TABLE_FLOATS;
    const next = (each: number) => {
      bytes += each * groups;
      return bytes - each * groups;
    };
    const [zeros, reach, bound, results] = [next(8), next(8), next(8), next(8 * RESULTS)];
    // A list of an odd length is filled up.
    const listed = next(4);
    bytes += 4;
    const entries = next(4 * size);
    growTo(memory, bytes);
    const { buffer } = memory;
    if (!tableIsThere) fillTable(new Float64Array(buffer, 0, TABLE_FLOATS));
    this.zeros = new Float64Array(buffer, zeros, groups);
    this.#reaches = new Float64Array(buffer, reach, groups);
    this.#reaches.set(reaches);
    this.#bounds = new Float64Array(buffer, bound, groups);
    this.#bounds.set(sparse.map((from) => usesTable(from) ? 0.5 : from));
    this.#results = new Float64Array(buffer, results, RESULTS * groups);
    this.#listed = new Int32Array(buffer, listed, groups + 1);
    this.entries = new Float32Array(buffer, entries, groups * size);
    this.#size = size;
    this.#sparse = sparse;
  }

  /** Measures the groups `first .. end - 1`, but for those that are passed over. */
  measure(first: number, end: number, passedOver: Uint8Array, topCode: number): void {
    const sparse = this.#sparse;
    for (let group = first; group < end; group++) this.#results[RESULTS * group + 2] = 1;
    const measured = (covered: (sparseFrom: number) => boolean) => {
      let count = 0;
      for (let group = first; group < end; group++) {
        if (passedOver[group] === 0 && covered(sparse[group]!)) this.#listed[count++] = group;
      }
      if (count % 2 === 1) this.#listed[count] = this.#listed[count++ - 1]!;
      return [
        ...[this.#listed.byteOffset, count / 2, this.entries.byteOffset, this.#size],
        ...[this.zeros.byteOffset, this.#bounds.byteOffset, topCode, this.#results.byteOffset],
      ] as const;
    };
    plain(...measured((sparseFrom) => sparseFrom >= 0.5));
    table(...measured(usesTable), this.#reaches.byteOffset, 0, TABLE_STEPS);
  }

  /** The sums of a group that was measured. */
  sums(group: number, topCode: number, into: GroupSums): void {
    const results = this.#results;
    const at = RESULTS * group;
    if (results[at + 2] === 0) {
      into.distance = results[at]!;
      into.change = results[at + 1]!;
      return;
    }
    const from = group * this.#size;
    groupSums(
      this.entries,
      from,
      from + this.#size,
      this.zeros[group]!,
      topCode,
      this.#reaches[group]!,
      this.#sparse[group]!,
      into,
    );
  }
}
