/**
 * The largest attention weight that a key receives from the last few queries, as the model itself
 * computes it: softmax of `q k / sqrt(headDim)` over the keys up to the query's own position.
 *
 * @module
 */
import type { CpuTensor } from "../../tensor.ts";

/** Softmax of one query row: its largest score, and the sum of `exp(score - largest)`. */
interface RowSum {
  readonly largest: number;
  readonly total: number;
}

/** Attention of one layer's queries, after RoPE, to its keys. */
export class AttentionMaxima {
  readonly #rows = new Map<number, RowSum[]>();
  readonly #query: Float64Array;
  readonly #scores: Float64Array;
  #whole: { readonly n: number; readonly maxima: Float64Array } | undefined;

  /**
   * @param queries `[queryHeads, capacity, headDim]`
   * @param keys `[kvHeads, capacity, headDim]`
   * @param lastN query rows that count: the last ones of the cache
   */
  constructor(
    private readonly queries: CpuTensor,
    private readonly keys: CpuTensor,
    private readonly lastN: number,
  ) {
    this.#query = new Float64Array(keys.headDim);
    this.#scores = new Float64Array(keys.capacity);
  }

  /** The largest weight on `token` in a cache of `n` tokens, over the KV head's query heads. */
  at(head: number, token: number, n: number): number {
    if (this.#whole?.n === n) return this.#whole.maxima[head * n + token]!;
    const group = this.queries.heads / this.keys.heads;
    let most = 0;
    for (let row = Math.max(token, n - this.lastN, 0); row < n; row++) {
      const sums = this.#rowSums(row);
      for (let queryHead = head * group; queryHead < (head + 1) * group; queryHead++) {
        const { largest, total } = sums[queryHead]!;
        this.#scoreTokens(queryHead, row, head, token, token + 1);
        most = Math.max(most, Math.exp(this.#scores[token]! - largest) / total);
      }
    }
    return most;
  }

  /** Computes the weights on all tokens of a cache of `n` tokens at once. */
  prepare(n: number): void {
    if (this.#whole?.n === n) return;
    const maxima = new Float64Array(this.keys.heads * n);
    for (let row = Math.max(0, n - this.lastN); row < n; row++) this.#rowSums(row, maxima, n);
    this.#whole = { n, maxima };
  }

  /** Scores of one query row with some tokens, to `#scores` at the tokens' positions. */
  #scoreTokens(queryHead: number, row: number, head: number, from: number, to: number): void {
    const { headDim, capacity, data } = this.keys;
    const [query, scores] = [this.#query, this.#scores];
    const first = (queryHead * this.queries.capacity + row) * headDim;
    const root = 1 / Math.sqrt(headDim);
    for (let d = 0; d < headDim; d++) query[d] = this.queries.data[first + d]! * root;
    let k = (head * capacity + from) * headDim;
    for (let token = from; token < to; token++, k += headDim) {
      // Two sums, so that one addition need not wait for the other; headDim is even.
      let even = 0, odd = 0;
      for (let d = 0; d < headDim; d += 2) {
        even += query[d]! * data[k + d]!;
        odd += query[d + 1]! * data[k + d + 1]!;
      }
      scores[token] = even + odd;
    }
  }

  /** Softmax sums of a row, per query head; with `maxima`, notes the row's weights there. */
  #rowSums(row: number, maxima?: Float64Array, n = 0): RowSum[] {
    const known = this.#rows.get(row);
    if (known !== undefined && maxima === undefined) return known;
    const sums: RowSum[] = [];
    const scores = this.#scores;
    const group = this.queries.heads / this.keys.heads;
    for (let queryHead = 0; queryHead < this.queries.heads; queryHead++) {
      const head = Math.floor(queryHead / group);
      this.#scoreTokens(queryHead, row, head, 0, row + 1);
      let largest = -Infinity;
      for (let token = 0; token <= row; token++) largest = Math.max(largest, scores[token]!);
      let total = 0;
      for (let token = 0; token <= row; token++) {
        const weight = Math.exp(scores[token]! - largest);
        scores[token] = weight;
        total += weight;
      }
      sums.push({ largest, total });
      if (maxima === undefined) continue;
      for (let token = 0; token <= row; token++) {
        const at = head * n + token;
        maxima[at] = Math.max(maxima[at]!, scores[token]! / total);
      }
    }
    this.#rows.set(row, sums);
    return sums;
  }
}
