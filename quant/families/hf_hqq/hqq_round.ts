/**
 * Rounds of HQQ's search in WebAssembly, two groups at a time, to the last bit what `groupSums` gives
 * group by group. Groups that it does not cover are left to that: those with entries beyond the codes
 * by half a step or more, and those of which next to all errors are sparse. `hqq_round.wat` is the
 * source of the binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { type GroupSums, groupSums, powers, TABLE_STEPS, usesTable } from "./hqq_group.ts";
import { memory, plain, table } from "./hqq_round.wasm";
import { growTo } from "../../numerics/wasm_memory.ts";

/** What the kernels count in: the table's steps to a step. A power of two, so that nothing is rounded. */
const UNIT = TABLE_STEPS;

/** Numbers that the kernels store of a pair: two sums of magnitudes, and two of changes. */
const RESULTS = 4;

/** Groups that one kernel measures, in pairs; an odd one is paired with itself. */
interface Pairs {
  /** Two groups to a pair. */
  readonly groups: Int32Array;
  /** `[pairs][size][2]`. */
  readonly entries: Float64Array;
  readonly zeros: Float64Array;
  readonly skipped: Uint8Array;
  readonly results: Float64Array;
  readonly reaches: Float64Array;
}

/** The groups of a block, in the kernels' memory, which holds one block at a time. */
export class HqqRounds {
  /** Zero points, in steps; filled and moved by the caller. */
  readonly zeros: Float64Array;
  readonly #pairs: { readonly plain: Pairs; readonly table: Pairs };
  /** Of every group: its smallest and largest entry. */
  readonly #lows: Float32Array;
  readonly #highs: Float32Array;
  /** Where the sums of a group are, or -1 where no kernel has measured it. */
  readonly #places: Int32Array;
  readonly #memory: Float64Array;

  /**
   * @param entries `[groups][size]`, in steps
   * @param reaches `[groups]`: `r` of every group
   * @param sparse `[groups]`: size of an error from which on a part of it is sparse
   * @param topCodes `[groups]`: largest code of every group
   */
  constructor(
    private readonly entries: Float32Array,
    private readonly size: number,
    private readonly reaches: Float64Array,
    private readonly sparse: Float64Array,
    private readonly topCodes: Uint16Array,
  ) {
    const groups = reaches.length;
    this.zeros = new Float64Array(groups);
    this.#lows = new Float32Array(groups).fill(Infinity);
    this.#highs = new Float32Array(groups).fill(-Infinity);
    this.#places = new Int32Array(groups);
    this.#findEnds();
    const indices = Array.from({ length: groups }, (_, group) => group);
    const listed = [
      indices.filter((group) => sparse[group]! >= 0.5),
      indices.filter((group) => usesTable(sparse[group]!)),
    ].map((list) => Int32Array.from(list.length % 2 === 1 ? [...list, list.at(-1)!] : list));
    let at = 8 * powers.length;
    const next = (bytes: number) => (at += bytes) - bytes;
    const places = listed.map(({ length }) => ({
      entries: next(8 * length * size),
      zeros: next(8 * length),
      results: next(4 * length * RESULTS),
      reaches: next(8 * length),
      // Whole doubles, so that what follows lies at one.
      skipped: next(8 * length),
    }));
    growTo(memory, at);
    const { buffer } = memory;
    this.#memory = new Float64Array(buffer);
    this.#memory.set(powers);
    const [plain, table] = listed.map((groups, i): Pairs => {
      const { length } = groups;
      const { entries, zeros, results, reaches, skipped } = places[i]!;
      return {
        groups,
        entries: new Float64Array(buffer, entries, length * size),
        zeros: new Float64Array(buffer, zeros, length),
        results: new Float64Array(buffer, results, length / 2 * RESULTS),
        reaches: new Float64Array(buffer, reaches, length),
        skipped: new Uint8Array(buffer, skipped, length / 2),
      };
    });
    this.#pairs = { plain: plain!, table: table! };
    this.#fill(this.#pairs.plain);
    this.#fill(this.#pairs.table);
  }

  #findEnds(): void {
    const { entries, size } = this;
    for (let group = 0, at = 0; group < this.#lows.length; group++) {
      let [low, high] = [Infinity, -Infinity];
      for (const end = at + size; at < end; at++) {
        const entry = entries[at]!;
        low = Math.min(low, entry);
        high = Math.max(high, entry);
      }
      this.#lows[group] = low;
      this.#highs[group] = high;
    }
  }

  #fill({ groups, entries, reaches }: Pairs): void {
    const { size } = this;
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i]!;
      reaches[i] = UNIT * this.reaches[group]!;
      let to = (i >> 1) * 2 * size + (i & 1);
      for (let at = group * size, end = at + size; at < end; at++, to += 2) {
        entries[to] = UNIT * this.entries[at]!;
      }
    }
  }

  /** Measures all groups but those that are passed over. */
  measure(passedOver: Uint8Array): void {
    this.#places.fill(-1);
    for (
      const [kernel, pairs] of [[plain, this.#pairs.plain], [table, this.#pairs.table]] as const
    ) {
      const { groups, entries, zeros, skipped, results, reaches } = pairs;
      for (let i = 0; i < groups.length; i += 2) {
        const first = this.#ask(pairs, i, passedOver);
        const second = this.#ask(pairs, i + 1, passedOver);
        skipped[i >> 1] = first || second ? 0 : 1;
      }
      kernel(
        entries.byteOffset,
        skipped.length,
        this.size,
        zeros.byteOffset,
        skipped.byteOffset,
        results.byteOffset,
        reaches.byteOffset,
      );
    }
  }

  /** Prepares a group of a pair; false where it is not to be measured, or not by a kernel. */
  #ask({ groups, zeros, results }: Pairs, i: number, passedOver: Uint8Array): boolean {
    const group = groups[i]!;
    const zero = this.zeros[group]!;
    zeros[i] = UNIT * zero;
    if (passedOver[group] !== 0) return false;
    if (!(this.#lows[group]! + zero > -0.5)) return false;
    if (!(this.#highs[group]! + zero < this.topCodes[group]! + 0.5)) return false;
    this.#places[group] = results.byteOffset / 8 + (i >> 1) * RESULTS + (i & 1);
    return true;
  }

  /** The sums of a group that was not passed over. */
  sums(group: number, into: GroupSums): void {
    const place = this.#places[group]!;
    if (place >= 0) {
      into.distance = this.#memory[place]! / UNIT;
      into.change = this.#memory[place + 2]! / UNIT;
      return;
    }
    const from = group * this.size;
    groupSums(
      this.entries,
      from,
      from + this.size,
      this.zeros[group]!,
      this.topCodes[group]!,
      this.reaches[group]!,
      this.sparse[group]!,
      into,
    );
  }
}
