/**
 * Keeps of samples what families learn from, in memory that neither the number of samples nor the
 * depth of the model decides: an even choice of tokens, as many as fit, and sums over all of them.
 *
 * @module
 */
import type {
  CalibrationSamples,
  ChannelRanges,
  KeptLayer,
  KeptSamples,
  LayerSamples,
  QueryMoments,
} from "./calibration.ts";
import { secondMoment } from "./numerics/second_moment.ts";
import { QuantizerError } from "./quantizer_error.ts";
import type { RotaryPositions } from "./rotary_positions.ts";
import type { CpuTensor } from "./tensor.ts";

/** Bytes that all that is kept may take, of every layer together. */
export const MOST_BYTES = 2 ** 30;
/** Tokens that are kept at most: neighbours say much the same. */
export const MOST_TOKENS = 4096;
/** Tokens that are kept at least, however deep the model is. */
const LEAST_TOKENS = 64;
/** Tokens whose queries are looked at, at most; each has several for every KV head. */
const MOST_QUERY_TOKENS = 1024;

/** The sizes of a model that decide what is kept of it. */
export interface KeptShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly queryHeads: number;
  readonly headDim: number;
}

/** Tensors that tokens are kept of. */
const LISTS = ["keys", "preRopeKeys", "values"] as const;
type List = typeof LISTS[number];
type Weights = "keyWeights" | "valueWeights";

const WORDS: Record<keyof LayerSamples, string> = {
  keys: "keys",
  preRopeKeys: "keys before RoPE",
  values: "values",
  queries: "queries",
  keyWeights: "weights of keys",
  valueWeights: "weights of values",
};

/** Bytes that are kept of a model whatever the set is: ranges and moments. */
function fixedBytes({ layers, kvHeads, headDim }: KeptShape): number {
  const ranges = LISTS.length * 2 * 4 * kvHeads * headDim;
  const moments = 2 * 8 * kvHeads * headDim * headDim;
  return layers * (ranges + moments);
}

/** Tokens that are kept of a model, of a set of `tokens`. */
export function keptTokens(shape: KeptShape, tokens: number, most = MOST_BYTES): number {
  const perToken = LISTS.length * 4 * shape.layers * shape.kvHeads * shape.headDim;
  const fitting = Math.floor((most - fixedBytes(shape)) / perToken);
  return Math.min(tokens, MOST_TOKENS, Math.max(LEAST_TOKENS, fitting));
}

/** Keeps samples that come one after the other, in any order. */
export class SampleKeeper {
  readonly #layers: LayerKeeper[];
  readonly #added = new Set<number>();
  /** Chosen positions of each sample. */
  readonly #positions: readonly Int32Array[];

  /**
   * @param lengths of all samples, in tokens
   * @param most bytes that may be kept
   */
  constructor(
    shape: KeptShape,
    private readonly rotary: RotaryPositions,
    private readonly lengths: readonly number[],
    most = MOST_BYTES,
  ) {
    const tokens = lengths.reduce((a, b) => a + b, 0);
    this.#positions = evenChoice(lengths, keptTokens(shape, tokens, most));
    const queried = evenChoice(lengths, Math.min(tokens, MOST_QUERY_TOKENS));
    this.#layers = Array.from(
      { length: shape.layers },
      (_, layer) => new LayerKeeper(layer, shape, rotary, this.#positions, queried),
    );
  }

  /**
   * Keeps what is chosen of one tensor of a sample; the tensor itself is not held.
   *
   * @param from position of the tensor's first token
   * @throws {QuantizerError} when it is not finite
   */
  add(sample: number, layer: number, name: keyof LayerSamples, tensor: CpuTensor, from = 0): void {
    this.#layers[layer]!.add(sample, name, tensor, from);
    this.#added.add(sample);
  }

  /** What is kept of the samples that were added so far, each as a whole. */
  kept(): KeptSamples {
    const added = [...this.#added].sort((a, b) => a - b);
    const chosen = added.filter((sample) => this.#positions[sample]!.length > 0);
    const lengths = added.map((sample) => this.lengths[sample]!);
    return {
      layers: this.#layers.map((layer) => layer.kept(chosen)),
      rotary: this.rotary,
      samples: added.length,
      tokens: lengths.reduce((a, b) => a + b, 0),
      longest: Math.max(...lengths),
      positions: chosen.map((sample) => this.#positions[sample]!),
    };
  }

  /** Bytes of all that is held now. */
  get bytes(): number {
    return this.#layers.reduce((sum, layer) => sum + layer.bytes, 0);
  }
}

/** What families learn from, of tensors that are all there. */
export function keepSamples({ layers, rotary }: CalibrationSamples): KeptSamples {
  const { values, queries } = layers[0]!;
  const { heads, headDim } = values[0]!;
  const shape = {
    layers: layers.length,
    kvHeads: heads,
    queryHeads: queries[0]?.heads ?? heads,
    headDim,
  };
  const keeper = new SampleKeeper(shape, rotary, values.map(({ capacity }) => capacity));
  for (const [l, layer] of layers.entries()) {
    for (const [name, tensors] of Object.entries(layer)) {
      for (const [sample, tensor] of (tensors as readonly CpuTensor[]).entries()) {
        keeper.add(sample, l, name as keyof LayerSamples, tensor);
      }
    }
  }
  return keeper.kept();
}

/** What is kept of one layer. */
class LayerKeeper {
  readonly #tensors = new Map<List | Weights, Map<number, CpuTensor>>();
  readonly #ranges: Record<List, ChannelRanges>;
  readonly #queries: { readonly moment: MomentSum; readonly preRope: MomentSum }[];

  constructor(
    private readonly layer: number,
    private readonly shape: KeptShape,
    private readonly rotary: RotaryPositions,
    private readonly positions: readonly Int32Array[],
    private readonly queried: readonly Int32Array[],
  ) {
    const { kvHeads, headDim } = shape;
    const range = (): ChannelRanges => ({
      low: new Float32Array(kvHeads * headDim).fill(Infinity),
      high: new Float32Array(kvHeads * headDim).fill(-Infinity),
    });
    this.#ranges = { keys: range(), preRopeKeys: range(), values: range() };
    this.#queries = Array.from({ length: kvHeads }, () => ({
      moment: new MomentSum(headDim),
      preRope: new MomentSum(headDim),
    }));
  }

  add(sample: number, name: keyof LayerSamples, tensor: CpuTensor, from: number): void {
    if (!allFinite(tensor.data)) {
      throw new QuantizerError(
        `Layer ${this.layer} ${
          WORDS[name]
        } of the calibration set are not finite; nothing can be learned from them`,
      );
    }
    const chosen = (positions: readonly Int32Array[]) => within(positions[sample]!, tensor, from);
    if (name === "queries") return this.#addQueries(chosen(this.queried), tensor, from);
    const { heads, headDim } = tensor;
    let ofName = this.#tensors.get(name);
    if (ofName === undefined) this.#tensors.set(name, ofName = new Map());
    let kept = ofName.get(sample);
    if (kept === undefined) {
      const capacity = this.positions[sample]!.length;
      const data = new Float32Array(heads * capacity * headDim);
      ofName.set(sample, kept = { heads, capacity, headDim, data });
    }
    const { start, positions } = chosen(this.positions);
    copyTokens(tensor, positions, from, kept, start);
    if (name !== "keyWeights" && name !== "valueWeights") widen(this.#ranges[name], tensor);
  }

  kept(samples: readonly number[]): KeptLayer {
    const list = (name: List | Weights) =>
      samples.flatMap((sample) => this.#tensors.get(name)?.get(sample) ?? []);
    const weights = (name: Weights) => this.#tensors.has(name) ? { [name]: list(name) } : {};
    return {
      keys: list("keys"),
      preRopeKeys: list("preRopeKeys"),
      values: list("values"),
      ...weights("keyWeights"),
      ...weights("valueWeights"),
      ranges: structuredClone(this.#ranges),
      queries: this.#queries.flatMap(({ moment, preRope }): QueryMoments[] =>
        moment.count === 0 ? [] : [{
          queries: moment.count,
          moment: moment.mean(),
          preRopeMoment: preRope.mean(),
        }]
      ),
    };
  }

  get bytes(): number {
    const tensors = [...this.#tensors.values()].flatMap((own) => [...own.values()]);
    return tensors.reduce((sum, { data }) => sum + data.byteLength, 0) +
      Object.values(this.#ranges).reduce(
        (sum, { low, high }) => sum + low.byteLength + high.byteLength,
        0,
      ) + this.#queries.reduce((sum, { moment, preRope }) => sum + moment.bytes + preRope.bytes, 0);
  }

  #addQueries({ positions }: Chosen, queries: CpuTensor, from: number): void {
    const { heads, headDim } = queries;
    const capacity = positions.length;
    const size = heads / this.shape.kvHeads * capacity * headDim;
    if (size === 0) return;
    const data = new Float32Array(heads * capacity * headDim);
    const few = { heads, capacity, headDim, data };
    copyTokens(queries, positions, from, few, 0);
    const turns = turnsBack(positions, this.rotary);
    for (const [kvHead, { moment, preRope }] of this.#queries.entries()) {
      const rows = Float64Array.from(few.data.subarray(kvHead * size, (kvHead + 1) * size));
      moment.add(rows);
      turn(rows, turns, headDim);
      preRope.add(rows);
    }
  }
}

/** A sum of `x x^T`. */
class MomentSum {
  count = 0;
  readonly #sum: Float64Array<ArrayBuffer>;

  constructor(private readonly n: number) {
    this.#sum = new Float64Array(n * n);
  }

  get bytes(): number {
    return this.#sum.byteLength;
  }

  /** @param rows `[count][n]` */
  add(rows: Float64Array): void {
    const count = rows.length / this.n;
    const mean = secondMoment(rows, this.n);
    for (let i = 0; i < mean.length; i++) this.#sum[i]! += count * mean[i]!;
    this.count += count;
  }

  mean(): Float64Array<ArrayBuffer> {
    return this.#sum.map((sum) => sum / this.count);
  }
}

/** Cosines and sines, `[token][pair]`. */
interface Turns {
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

/** What turns tokens back by the angles of their positions, and takes off the scale. */
function turnsBack(positions: Int32Array, { theta, stretch, scale }: RotaryPositions): Turns {
  const half = stretch.length;
  const cos = new Float64Array(positions.length * half);
  const sin = new Float64Array(positions.length * half);
  for (let i = 0; i < half; i++) {
    const frequency = theta ** (-i / half) / stretch[i]!;
    for (const [t, position] of positions.entries()) {
      cos[t * half + i] = Math.cos(position * frequency) / scale;
      sin[t * half + i] = -Math.sin(position * frequency) / scale;
    }
  }
  return { cos, sin };
}

/** Turns rows `[head][token][channel]`, in place. */
function turn(rows: Float64Array, { cos, sin }: Turns, headDim: number): void {
  const half = headDim / 2;
  for (let base = 0, at = 0; base < rows.length; base += headDim, at += half) {
    if (at === cos.length) at = 0;
    for (let i = 0; i < half; i++) {
      const [c, s] = [cos[at + i]!, sin[at + i]!];
      const [a, b] = [rows[base + i]!, rows[base + half + i]!];
      rows[base + i] = a * c - b * s;
      rows[base + half + i] = b * c + a * s;
    }
  }
}

/**
 * Positions in each sample of `count` tokens, as many of each sample as it has or as the others give
 * room for, evenly spread: a text is not worth more because a tokenizer makes more of it.
 */
function evenChoice(lengths: readonly number[], count: number): Int32Array[] {
  const shortest = lengths.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const shares = new Array<number>(lengths.length).fill(0);
  let left = count;
  for (const [place, sample] of shortest.entries()) {
    shares[sample] = Math.min(lengths[sample]!, Math.floor(left / (lengths.length - place)));
    left -= shares[sample]!;
  }
  return lengths.map((length, sample) => {
    const share = shares[sample]!;
    return Int32Array.from({ length: share }, (_, i) => Math.floor((i + 0.5) * length / share));
  });
}

/** Chosen positions that a tensor holds. */
interface Chosen {
  readonly positions: Int32Array;
  /** Place of the first of them among all that are chosen of the sample. */
  readonly start: number;
}

function within(positions: Int32Array, { capacity }: CpuTensor, from: number): Chosen {
  const place = (position: number) => {
    const at = positions.findIndex((chosen) => chosen >= position);
    return at < 0 ? positions.length : at;
  };
  const start = place(from);
  return { positions: positions.subarray(start, place(from + capacity)), start };
}

/** Copies tokens of `source`, which begins at position `from`, to the places of `target` from `at` on. */
function copyTokens(
  source: CpuTensor,
  positions: Int32Array,
  from: number,
  target: CpuTensor,
  at: number,
): void {
  const { heads, headDim } = source;
  for (let head = 0; head < heads; head++) {
    for (const [i, position] of positions.entries()) {
      const token = (head * source.capacity + position - from) * headDim;
      target.data.set(
        source.data.subarray(token, token + headDim),
        (head * target.capacity + at + i) * headDim,
      );
    }
  }
}

function widen({ low, high }: ChannelRanges, { heads, capacity, headDim, data }: CpuTensor): void {
  let at = 0;
  for (let head = 0; head < heads; head++) {
    for (let t = 0; t < capacity; t++) {
      for (let i = head * headDim; i < (head + 1) * headDim; i++) {
        const x = data[at++]!;
        if (x < low[i]!) low[i] = x;
        if (x > high[i]!) high[i] = x;
      }
    }
  }
}

/** A sum that is not finite tells of an entry that is not: none is so large that sums overflow. */
function allFinite(data: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]!;
  return Number.isFinite(sum);
}
