/**
 * The statistics a policy may read about one layer, kind and head: computed only when they are read,
 * and extended from snapshot to snapshot instead of computed anew.
 *
 * @module
 */
import type { KvKind } from "../quant/family.ts";
import type { KvShape } from "../quant/tensor.ts";
import { StatsNotLoaded } from "../policies/plan.ts";
import type { TokenStats } from "../policies/policy.ts";
import type { Engine } from "../engine/engine.ts";
import { addQueries, type Reference } from "./reference.ts";

/** Recent tokens and recent queries that `attention_mass_recent` and `attention_entropy` look at. */
export const RECENT_TOKENS = 128;
const RECENT_QUERIES = 8;

/** Running sums over the first `tokens` tokens of one head. */
interface Running {
  tokens: number;
  sum: number;
  squares: number;
  min: number;
  max: number;
  readonly channelMin: Float32Array;
  readonly channelMax: Float32Array;
  tokenRangeSum: number;
  tokenRangeMax: number;
}

/** Statistics of one example's reference cache. */
export class StatsSource<T extends KvShape> {
  readonly #data = new Map<string, Float32Array>();
  readonly #running = new Map<string, Running>();
  #loaded = false;
  #attention = false;

  constructor(private readonly engine: Engine<T>, private readonly reference: Reference<T>) {}

  /** Brings the tensors to host memory; with `attention`, the queries too. */
  async load(attention: boolean): Promise<void> {
    const read = async (key: string, tensor: T) => {
      if (!this.#data.has(key)) this.#data.set(key, await this.engine.backend.read(tensor));
    };
    for (const [layer, kv] of this.reference.layers.entries()) {
      await read(`${layer} key`, kv.key);
      await read(`${layer} value`, kv.value);
    }
    if (attention) {
      const queries = await addQueries(this.engine, this.reference);
      for (const [layer, q] of queries.entries()) await read(`${layer} query`, q);
      this.#attention = true;
    }
    this.#loaded = true;
  }

  /** Has the tensors read anew when they are next asked for: they have grown. */
  forget(): void {
    this.#data.clear();
    this.#loaded = false;
  }

  /**
   * Statistics of the first `n` tokens.
   * @throws {StatsNotLoaded} before `load`
   */
  at(layer: number, kind: KvKind, head: number, n: number): TokenStats {
    if (!this.#loaded) throw new StatsNotLoaded(`The ${kind}s of layer ${layer} are not read yet`);
    const { headDim } = this.engine.shape;
    const capacity = this.reference.layers[layer]![kind].capacity;
    const data = this.#data.get(`${layer} ${kind}`)!.subarray(
      head * capacity * headDim,
      (head + 1) * capacity * headDim,
    );
    const running = this.#extend(`${layer} ${kind} ${head}`, data, n, headDim);
    const count = Math.max(1, running.tokens * headDim);
    const mean = running.sum / count;
    const std = Math.sqrt(Math.max(0, running.squares / count - mean * mean));
    let rangeSum = 0, rangeMax = 0;
    for (let d = 0; d < headDim; d++) {
      const range = running.tokens === 0 ? 0 : running.channelMax[d]! - running.channelMin[d]!;
      rangeSum += range;
      rangeMax = Math.max(rangeMax, range);
    }
    const attention = this.#attention ? this.#attentionOf(layer, head, n) : undefined;
    return {
      tokens: n,
      min: running.tokens === 0 ? 0 : running.min,
      max: running.tokens === 0 ? 0 : running.max,
      mean,
      std,
      abs_max: running.tokens === 0 ? 0 : Math.max(-running.min, running.max),
      channel_range_mean: rangeSum / headDim,
      channel_range_max: rangeMax,
      token_range_mean: running.tokens === 0 ? 0 : running.tokenRangeSum / running.tokens,
      token_range_max: running.tokenRangeMax,
      outlier_share: outlierShare(data.subarray(0, n * headDim), mean, 6 * std, running),
      attention_mass_recent: attention?.mass ?? null,
      attention_entropy: attention?.entropy ?? null,
    };
  }

  #extend(key: string, data: Float32Array, n: number, headDim: number): Running {
    let r = this.#running.get(key);
    if (r === undefined || r.tokens > n) {
      r = {
        tokens: 0,
        sum: 0,
        squares: 0,
        min: Infinity,
        max: -Infinity,
        channelMin: new Float32Array(headDim).fill(Infinity),
        channelMax: new Float32Array(headDim).fill(-Infinity),
        tokenRangeSum: 0,
        tokenRangeMax: 0,
      };
      this.#running.set(key, r);
    }
    for (let t = r.tokens; t < n; t++) {
      let low = Infinity, high = -Infinity, sum = 0, squares = 0;
      for (let d = 0; d < headDim; d++) {
        const x = data[t * headDim + d]!;
        sum += x;
        squares += x * x;
        if (x < low) low = x;
        if (x > high) high = x;
        if (x < r.channelMin[d]!) r.channelMin[d] = x;
        if (x > r.channelMax[d]!) r.channelMax[d] = x;
      }
      r.sum += sum;
      r.squares += squares;
      if (low < r.min) r.min = low;
      if (high > r.max) r.max = high;
      r.tokenRangeSum += high - low;
      if (high - low > r.tokenRangeMax) r.tokenRangeMax = high - low;
    }
    r.tokens = n;
    return r;
  }

  /** Attention of the last few queries of a KV head's query heads over the first `n` tokens. */
  #attentionOf(layer: number, head: number, n: number): { mass: number; entropy: number } {
    const { headDim, queryHeads, kvHeads } = this.engine.shape;
    const capacity = this.reference.layers[layer]!.key.capacity;
    const keys = this.#data.get(`${layer} key`)!;
    const queries = this.#data.get(`${layer} query`)!;
    const queryCapacity = queries.length / (queryHeads * headDim);
    const group = queryHeads / kvHeads;
    let mass = 0, entropy = 0, rows = 0;
    for (let g = 0; g < group; g++) {
      for (let row = Math.max(0, n - RECENT_QUERIES); row < n; row++) {
        const q = ((head * group + g) * queryCapacity + row) * headDim;
        const scores = new Float64Array(row + 1);
        let top = -Infinity;
        for (let t = 0; t <= row; t++) {
          const k = (head * capacity + t) * headDim;
          let dot = 0;
          for (let d = 0; d < headDim; d++) dot += queries[q + d]! * keys[k + d]!;
          scores[t] = dot / Math.sqrt(headDim);
          top = Math.max(top, scores[t]!);
        }
        let total = 0;
        for (let t = 0; t <= row; t++) total += scores[t] = Math.exp(scores[t]! - top);
        for (let t = 0; t <= row; t++) {
          const p = scores[t]! / total;
          if (p > 0) entropy -= p * Math.log(p);
          if (t >= n - RECENT_TOKENS) mass += p;
        }
        rows++;
      }
    }
    return rows === 0 ? { mass: 0, entropy: 0 } : { mass: mass / rows, entropy: entropy / rows };
  }
}

function outlierShare(data: Float32Array, mean: number, far: number, running: Running): number {
  // Nothing lies beyond the extremes, so most heads need no second look.
  if (data.length === 0 || (running.max - mean <= far && mean - running.min <= far)) return 0;
  let count = 0;
  for (let i = 0; i < data.length; i++) if (Math.abs(data[i]! - mean) > far) count++;
  return count / data.length;
}
