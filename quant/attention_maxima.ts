/**
 * The largest attention weight that a key receives from the last few queries, as the model itself
 * computes it: softmax of `q k / sqrt(headDim)` over the keys up to the query's own position.
 *
 * @module
 */
import type { CpuTensor } from "./tensor.ts";

/** Softmax of one query row: its largest score, and the sum of `exp(score - largest)`. */
interface RowSum {
  readonly largest: number;
  readonly total: number;
}

/** Attention of one layer's queries, after RoPE, to its keys. */
export class AttentionMaxima {
  readonly #rows = new Map<number, RowSum[]>();
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
  ) {}

  /** The largest weight on `token` in a cache of `n` tokens, over the KV head's query heads. */
  at(head: number, token: number, n: number): number {
    if (this.#whole?.n === n) return this.#whole.maxima[head * n + token]!;
    let most = 0;
    for (let row = Math.max(token, n - this.lastN, 0); row < n; row++) {
      const sums = this.#rowSums(row);
      this.#eachQueryHead(head, (queryHead) => {
        const { largest, total } = sums[queryHead]!;
        const weight = Math.exp(this.#score(queryHead, row, head, token) - largest) / total;
        if (weight > most) most = weight;
      });
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

  #eachQueryHead(head: number, visit: (queryHead: number) => void): void {
    const group = this.queries.heads / this.keys.heads;
    for (let g = 0; g < group; g++) visit(head * group + g);
  }

  #score(queryHead: number, row: number, head: number, token: number): number {
    const { headDim } = this.keys;
    const q = (queryHead * this.queries.capacity + row) * headDim;
    const k = (head * this.keys.capacity + token) * headDim;
    const [queries, keys] = [this.queries.data, this.keys.data];
    let dot = 0;
    for (let d = 0; d < headDim; d++) dot += queries[q + d]! * keys[k + d]!;
    return dot / Math.sqrt(headDim);
  }

  /** Softmax sums of a row, per query head; with `maxima`, notes the row's weights there. */
  #rowSums(row: number, maxima?: Float64Array, n = 0): RowSum[] {
    const known = this.#rows.get(row);
    if (known !== undefined && maxima === undefined) return known;
    const sums: RowSum[] = [];
    const scores = new Float64Array(row + 1);
    for (let head = 0; head < this.keys.heads; head++) {
      this.#eachQueryHead(head, (queryHead) => {
        let largest = -Infinity;
        for (let token = 0; token <= row; token++) {
          const score = this.#score(queryHead, row, head, token);
          scores[token] = score;
          if (score > largest) largest = score;
        }
        let total = 0;
        for (let token = 0; token <= row; token++) {
          scores[token] = Math.exp(scores[token]! - largest);
          total += scores[token]!;
        }
        sums.push({ largest, total });
        if (maxima === undefined) return;
        for (let token = 0; token <= row; token++) {
          const at = head * n + token;
          const weight = scores[token]! / total;
          if (weight > maxima[at]!) maxima[at] = weight;
        }
      });
    }
    this.#rows.set(row, sums);
    return sums;
  }
}
