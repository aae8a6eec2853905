/**
 * Rounds of HQQ's search in WebAssembly, two groups at a time, to the last bit what `groupSums` gives
 * group by group. Groups that it does not cover are left to that: those with entries beyond the codes
 * by half a step or more, and those of which next to all errors are sparse. `hqq_round.wat` is the
 * source of the binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { type GroupSums, groupSums, powers, TABLE_STEPS, usesTable } from "./hqq_group.ts";
import { memory, prepare, round } from "./hqq_round.wasm";
import { growTo } from "../../numerics/wasm_memory.ts";

/** A zero point that moves less, in steps, has arrived; an f16 cannot tell the difference. */
const ARRIVED = 1e-6;

/** Numbers of a pair's record, and where each kind begins; there are two of each. */
const RECORD = 18;
const [ZERO, REACH, STEPS, LOW, , TOP, ERROR, HERE, LEFT] = [0, 2, 4, 6, 8, 10, 12, 14, 16];

/** The table: the power at each step up to one half, and how much more it is at the next. */
const table = Float64Array.from(
  { length: TABLE_STEPS + 2 },
  (_, i) => i % 2 === 0 ? powers[i / 2]! : powers[(i + 1) / 2]! - powers[(i - 1) / 2]!,
);

/** What is known of the groups of a block; an entry per group. */
export interface SearchedGroups {
  /** Steps per unit of value. */
  readonly steps: Float64Array;
  /** `r` of `hqq_zero_points.ts`. */
  readonly reaches: Float64Array;
  /** Size of an error from which on a part of it is sparse. */
  readonly sparse: Float64Array;
  /** Largest code. */
  readonly topCodes: Uint16Array;
  /** Zero points to begin with, in steps. */
  readonly zeros: Float64Array;
}

/** The groups of a block, in the kernels' memory, which holds one block at a time. */
export class HqqRounds {
  readonly #count: number;
  readonly #recordsAt: number;
  readonly #entriesAt: number;
  readonly #records: Float64Array;
  /** Truth of a record is all bits. */
  readonly #truths: Int32Array;
  readonly #entry: Float32Array;
  readonly #sums: GroupSums = { distance: 0, change: 0 };

  /**
   * @param fill writes the entries, `[groups][size]`
   */
  constructor(
    private readonly groups: SearchedGroups,
    private readonly size: number,
    fill: (entries: Float32Array) => void,
  ) {
    const { steps, reaches, sparse, topCodes, zeros } = groups;
    this.#count = steps.length;
    // An odd group has one beside it that has arrived.
    const pairs = Math.ceil(this.#count / 2);
    this.#recordsAt = 8 * (table.length + 8);
    this.#entriesAt = this.#recordsAt + 8 * RECORD * pairs;
    const dataAt = this.#entriesAt + 16 * pairs * size;
    growTo(memory, dataAt + 8 * pairs * size);
    const { buffer } = memory;
    new Float64Array(buffer).set(table);
    const records = this.#records = new Float64Array(buffer, this.#recordsAt, RECORD * pairs);
    const truths = this.#truths = new Int32Array(buffer, this.#recordsAt, 2 * RECORD * pairs);
    this.#entry = new Float32Array(size);
    records.fill(0);
    truths.fill(-1, 2 * (this.#at(2 * pairs - 1) + HERE), 2 * (this.#at(2 * pairs - 1) + LEFT));
    for (let group = 0; group < this.#count; group++) {
      const at = this.#at(group);
      records[at + ZERO] = zeros[group]!;
      // Where errors are never sparse nothing limits them.
      records[at + REACH] = sparse[group]! >= 0.5 ? Infinity : reaches[group]!;
      records[at + STEPS] = steps[group]!;
      records[at + TOP] = topCodes[group]! + 0.5;
      // A range beyond float32 has no steps; its values all become 0.
      truths.fill(steps[group] === 0 ? -1 : 0, 2 * (at + HERE), 2 * (at + HERE) + 2);
    }
    const data = new Float32Array(buffer, dataAt, 2 * pairs * size);
    fill(data.subarray(0, this.#count * size));
    data.fill(0, this.#count * size);
    prepare(dataAt, pairs, size, this.#entriesAt, this.#recordsAt);
    for (let group = 0; group < this.#count; group++) {
      if (sparse[group]! < 0.5 && !usesTable(sparse[group]!)) records[this.#at(group) + LOW] = NaN;
    }
  }

  /** Where the record of a group begins; its other numbers are two further each. */
  #at(group: number): number {
    return (group >> 1) * RECORD + (group & 1);
  }

  /** Moves the zero points once; the sum of absolute errors, in units of value, before it. */
  move(): number {
    const pairs = this.#records.length / RECORD;
    const placesAt = 8 * table.length;
    const left = round(this.#entriesAt, pairs, this.size, this.#recordsAt, placesAt, ARRIVED);
    let total = 0;
    for (let group = 0; group < this.#count; group++) {
      const at = this.#at(group);
      if (left > 0 && this.#truths[2 * (at + LEFT)] !== 0) this.#moveAlone(group, at);
      total += this.#records[at + ERROR]!;
    }
    return total;
  }

  /** Moves the zero point of a group by the reference. */
  #moveAlone(group: number, at: number): void {
    const { size } = this;
    const records = this.#records;
    const entries = new Float64Array(memory.buffer, this.#entriesAt);
    const entry = this.#entry;
    const from = (group >> 1) * 2 * size + (group & 1);
    for (let i = 0; i < size; i++) entry[i] = entries[from + 2 * i]!;
    const { topCodes, reaches, sparse, steps } = this.groups;
    const sums = this.#sums;
    const zero = records[at + ZERO]!;
    const [top, reach, limit] = [topCodes[group]!, reaches[group]!, sparse[group]!];
    groupSums(entry, 0, size, zero, top, reach, limit, sums);
    const change = sums.change / size;
    records[at + ZERO] = zero - change;
    records[at + ERROR] = sums.distance / steps[group]!;
    if (Math.abs(change) < ARRIVED) this.#truths.fill(-1, 2 * (at + HERE), 2 * (at + HERE) + 2);
  }

  /** The zero points, in steps. */
  zeros(): Float64Array {
    const zeros = new Float64Array(this.#count);
    for (let group = 0; group < this.#count; group++) {
      zeros[group] = this.#records[this.#at(group) + ZERO]!;
    }
    return zeros;
  }
}
