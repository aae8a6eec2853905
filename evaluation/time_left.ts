/**
 * How long a run will go on, told from the examples that are done.
 *
 * @module
 */

/** Counts time by the tokens that were worked on. */
export class TimeLeft {
  #seconds = 0;
  #tokens = 0;
  #begun = 0;
  #aside = 0;
  #count = 0;

  /**
   * @param tokens of every example: what takes its time grows with them
   * @param now the time, in milliseconds
   */
  constructor(
    private readonly tokens: readonly number[],
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** An example is begun. */
  begin(): void {
    this.#begun = this.now();
    this.#aside = 0;
  }

  /** Does something once and for all, such as learning, that says nothing of the examples to come. */
  async aside<V>(work: () => Promise<V>): Promise<V> {
    const start = this.now();
    try {
      return await work();
    } finally {
      this.#aside += this.now() - start;
    }
  }

  /** It is done. What the first took counts until there is a second: much is made in it. */
  end(index: number): void {
    if (this.#count++ === 1) this.#seconds = this.#tokens = 0;
    this.#seconds += (this.now() - this.#begun - this.#aside) / 1000;
    this.#tokens += this.tokens[index]!;
  }

  /** Seconds that those from `index` on will take; 0 as long as none is done. */
  seconds(index: number): number {
    const left = this.tokens.slice(index).reduce((sum, tokens) => sum + tokens, 0);
    return this.#tokens === 0 ? 0 : this.#seconds / this.#tokens * left;
  }
}
