/**
 * A buffer that grows by parts whose sizes only the device knew when they were written.
 *
 * Every launch writes its items (tokens, groups) to a part of its own, with room for the worst case,
 * and notes where each item ends. When the ends have been read back, the parts are moved behind each
 * other, without the room. Until then whoever restores reads all of them.
 *
 * @module
 */
import type { WordRegion, Workbench } from "./workbench.ts";

/** Words of consecutive items. */
export interface StreamPart {
  /** Items before this part. */
  readonly first: number;
  readonly items: number;
  readonly words: GPUBuffer;
}

/** See the module. */
export class SettledStream {
  /** End of every item, counted from the first one's start, as far as it is known. */
  readonly ends: number[] = [];
  readonly #bench: Workbench;
  readonly #wordsUpTo: (end: number) => number;
  #words: GPUBuffer;
  #waiting: StreamPart[] = [];

  /** @param wordsUpTo words that end where an item does */
  constructor(bench: Workbench, label: string, wordsUpTo: (end: number) => number) {
    this.#bench = bench;
    this.#wordsUpTo = wordsUpTo;
    this.#words = bench.buffer(label, 0);
  }

  /** The words of all items whose ends are known. */
  get words(): GPUBuffer {
    return this.#words;
  }

  /** Everything that was written. */
  get parts(): readonly StreamPart[] {
    const settled = { first: 0, items: this.ends.length, words: this.#words };
    return settled.items === 0 ? this.#waiting : [settled, ...this.#waiting];
  }

  /** Takes over a part that was written behind the others. */
  add(part: StreamPart): void {
    this.#waiting.push(part);
  }

  /** Where the ends that are not known yet stand in a buffer of all ends. */
  awaited(ends: GPUBuffer): WordRegion {
    const words = this.#waiting.reduce((sum, { items }) => sum + items, 0);
    return { buffer: ends, at: this.ends.length, words };
  }

  /** Moves the parts together, now that the ends of their items are known. */
  settle(ends: Uint32Array): void {
    const held = this.#startOf(this.ends.length);
    for (const end of ends) this.ends.push(end);
    const total = this.#startOf(this.ends.length);
    this.#bench.batch(() => {
      this.#words = this.#bench.grown(this.#words, held, total);
      for (const { first, items, words } of this.#waiting) {
        const start = this.#startOf(first);
        this.#bench.copy(words, 0, this.#words, start, this.#startOf(first + items) - start);
        this.#bench.free(words);
      }
    });
    this.#waiting = [];
  }

  /** Frees every buffer. */
  free(): void {
    this.#bench.free(this.#words, ...this.#waiting.map(({ words }) => words));
  }

  #startOf(item: number): number {
    return item === 0 ? 0 : this.#wordsUpTo(this.ends[item - 1]!);
  }
}
