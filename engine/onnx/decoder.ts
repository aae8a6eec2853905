/**
 * A decoder of the Llama kind as an ONNX graph: RMSNorm, rotary positions, grouped queries, a gated
 * MLP (Touvron et al., 2023, arXiv 2307.09288; huggingface/transformers, models/llama/modeling_llama.py).
 * In what Qwen, Mistral and others differ is data: which parts there are, and their names.
 *
 * Attention is written out instead of using a fused operator, for two reasons. The replay
 * feeds many steps at once, each of which sees other versions of the past, so it needs a mask of its
 * own. And the past is by far the largest tensor, so it is never copied: scores against the past and
 * against the fed tokens are computed apart and joined only for the softmax. Query heads that share a
 * KV head are folded into rows, so that keys and values are not repeated either.
 *
 * @module
 */
import type { ModelShape } from "../engine.ts";
import { rotaryTables } from "../rotary.ts";
import { type BuiltGraph, GraphBuilder } from "./graph_builder.ts";

/** Part of every cache key: raise it when the graph computes anything differently. */
export const GRAPH_VERSION = 4;

/** Modules by the names that a checkpoint gives them; a tensor is a module's `.weight` or `.bias`. */
export interface ModuleNames {
  /** Token embedding. */
  readonly embedding: string;
  /** What the number of a layer follows, after a dot; the names below, up to `down`, come after that. */
  readonly layers: string;
  readonly attentionNorm: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly queryNorm: string;
  readonly keyNorm: string;
  readonly output: string;
  readonly mlpNorm: string;
  readonly gate: string;
  readonly up: string;
  readonly down: string;
  /** Norm after the last layer. */
  readonly finalNorm: string;
  /** Output head. */
  readonly head: string;
}

/** In what one decoder differs from another. */
export interface DecoderParts {
  readonly names: ModuleNames;
  /** Whether the projections to queries, keys and values have biases. */
  readonly attentionBias: boolean;
  /** Whether the projection of what attention gathered has one. */
  readonly outputBias: boolean;
  /** Whether the projections of the MLP have them. */
  readonly mlpBias: boolean;
  /** Whether every query and key head is normalised before RoPE (RMSNorm, weights shared by heads). */
  readonly headNorms: boolean;
}

/** What the graph needs beyond the sizes. */
export interface DecoderOptions {
  /** Which parts there are. */
  readonly parts: DecoderParts;
  /** Width of the gated MLP. */
  readonly intermediate: number;
  /** Epsilon of RMSNorm. */
  readonly rmsNormEps: number;
  /** Whether the output head is the token embedding. */
  readonly tiedEmbeddings: boolean;
  /**
   * Where it will run: the few operators that differ are chosen for it. `mapped` where weights come
   * from a file, see `GraphBuilder.again`.
   */
  readonly target: "host" | "host, mapped" | "gpu";
}

/** Names of the graph's inputs and outputs, in the form of the usual decoder exports. */
export const names = {
  ids: "input_ids",
  positions: "position_ids",
  mask: "attention_mask",
  keep: "num_logits_to_keep",
  logits: "logits",
  pastKey: (layer: number): string => `past_key_values.${layer}.key`,
  pastValue: (layer: number): string => `past_key_values.${layer}.value`,
  key: (layer: number): string => `present.${layer}.key`,
  value: (layer: number): string => `present.${layer}.value`,
  preRopeKey: (layer: number): string => `present.${layer}.key_pre_rope`,
  query: (layer: number): string => `query.${layer}`,
} as const;

/** End of a slice that goes to the end. */
const FAR = 2 ** 31 - 1;

/**
 * How far below the largest of its row a score weighs nothing: exp(-70) is 4e-31. Lower
 * ones are raised to it. Masked entries would leave the softmax as denormal numbers, with which a
 * processor computes up to twenty times slower.
 */
const NEGLIGIBLE = 70;

/**
 * Builds the graph.
 *
 * Inputs: `input_ids` and `position_ids` `[1, q]` int64; the additive `attention_mask`
 * `[M, 1, q, P + q]`, `M` 1 or the number of layers; `past_key_values.N.key|value`
 * `[1, kvHeads, P, headDim]`, `P >= 1`, keys rotated, entries in any order; `num_logits_to_keep` int64
 * scalar.
 *
 * Outputs: `logits` `[1, num_logits_to_keep, vocab]`; of the fed tokens only, `present.N.key|value` and
 * `present.N.key_pre_rope` `[1, kvHeads, q, headDim]`, and `query.N` `[1, queryHeads, q, headDim]`
 * after RoPE.
 */
export function buildDecoder(shape: ModelShape, options: DecoderOptions): BuiltGraph {
  return new DecoderGraph(shape, options).build();
}

/** Values that every layer uses. */
interface Shared {
  /** Rotary tables, `[maxPositions, headDim / 2]`. */
  readonly cos: string;
  readonly sin: string;
  /** `[P, q]`: where the joined scores are parted again. */
  readonly parts: string;
  /** `[kvHeads, queryHeads / kvHeads, q, P + q]`. */
  readonly scoreShape: string;
  /** The last index of the mask's first axis. */
  readonly lastMask: string;
  /** `[-k]`: first row that needs logits. */
  readonly firstKept: string;
}

class DecoderGraph {
  readonly #g = new GraphBuilder();

  constructor(
    private readonly shape: ModelShape,
    private readonly options: DecoderOptions,
  ) {}

  build(): BuiltGraph {
    const g = this.#g;
    const { layers, hidden, vocab, queryHeads, headDim } = this.shape;
    const { names: modules, outputBias } = this.options.parts;
    this.#declareInputs();
    const shared = this.#shared();

    const embedding = this.#weight(modules.embedding, [vocab, hidden]);
    const ids = g.node("Reshape", [names.ids, g.int64([-1])]);
    let residual = g.node("Gather", [embedding, ids]);
    let x = this.#norm(
      residual,
      this.#weight(`${this.#layer(0)}.${modules.attentionNorm}`, [hidden]),
    );

    for (let l = 0; l < layers; l++) {
      const at = this.#layer(l);
      const last = l + 1 === layers;
      let attended = this.#attention(l, x, shared);
      if (last) {
        // A row without logits is done once its key and value exist.
        attended = this.#keptRows(attended, shared);
        residual = this.#keptRows(residual, shared);
      }
      const sizes = [hidden, queryHeads * headDim] as const;
      const projected = this.#linear(attended, at, [modules.output], sizes, outputBias);
      [x, residual] = this.#addAndNorm(projected, residual, `${at}.${modules.mlpNorm}`);
      const next = last ? modules.finalNorm : `${this.#layer(l + 1)}.${modules.attentionNorm}`;
      [x, residual] = this.#addAndNorm(this.#mlp(at, x), residual, next);
    }

    const { tiedEmbeddings, target } = this.options;
    const tied = target === "host, mapped" ? () => g.again(embedding) : () => embedding;
    const head = tiedEmbeddings ? tied() : this.#weight(modules.head, [vocab, hidden]);
    const logits = g.node("Gemm", [x, head], { transB: 1 });
    g.node("Unsqueeze", [logits, g.int64([0])], {}, [names.logits]);
    g.output(names.logits, "float32", [1, "k", vocab]);
    return g.build("decoder");
  }

  #declareInputs(): void {
    const g = this.#g;
    const { layers, kvHeads, headDim } = this.shape;
    g.input(names.ids, "int64", [1, "q"]);
    g.input(names.positions, "int64", [1, "q"]);
    g.input(names.keep, "int64", []);
    g.input(names.mask, "float32", ["M", 1, "q", "T"]);
    for (let l = 0; l < layers; l++) {
      g.input(names.pastKey(l), "float32", [1, kvHeads, "P", headDim]);
      g.input(names.pastValue(l), "float32", [1, kvHeads, "P", headDim]);
    }
  }

  #shared(): Shared {
    const g = this.#g;
    const { queryHeads, kvHeads, headDim, maxPositions, rotary } = this.shape;
    const tables = rotaryTables(maxPositions, rotary);
    const size = (value: string, axis: number) =>
      g.node("Shape", [value], { start: axis, end: axis + 1 });
    const fed = size(names.ids, 1);
    const columns = size(names.mask, 3);
    const heads = g.int64([kvHeads, queryHeads / kvHeads]);
    return {
      cos: g.weight("rope.cos", [maxPositions, headDim / 2], tables.cos),
      sin: g.weight("rope.sin", [maxPositions, headDim / 2], tables.sin),
      firstKept: g.node("Sub", [g.int64([0]), g.node("Reshape", [names.keep, g.int64([1])])]),
      parts: g.node("Concat", [g.node("Sub", [columns, fed]), fed], { axis: 0 }),
      scoreShape: g.node("Concat", [heads, fed, columns], { axis: 0 }),
      lastMask: g.node("Sub", [size(names.mask, 0), g.int64([1])]),
    };
  }

  /** What every fed token gathers from past and fed values, `[q, queryHeads * headDim]`. */
  #attention(l: number, x: string, shared: Shared): string {
    const g = this.#g;
    const { queryHeads, kvHeads, headDim } = this.shape;
    const { query, key, value } = this.#project(l, x, shared);

    // Query heads of one KV head, one below the other: [1, kvHeads, folded * q, headDim].
    const rows = g.node("Reshape", [query, g.int64([1, kvHeads, -1, headDim])]);
    const joined = g.node("Concat", [
      this.#scores(rows, names.pastKey(l)),
      this.#scores(rows, key),
    ], { axis: -1 });
    const scores = g.node("Reshape", [joined, shared.scoreShape]);
    const masked = g.node("Add", [scores, this.#maskOf(l, shared)]);
    const shares = g.node("Softmax", [this.#bounded(masked)], { axis: -1 });
    // [kvHeads, folded, q, T] to [1, kvHeads, folded * q, T]; 0 keeps the last dimension.
    const folded = g.node("Reshape", [shares, g.int64([1, kvHeads, -1, 0])]);
    const [onPast, onFed] = [`on_past.${l}`, `on_fed.${l}`];
    g.node("Split", [folded, shared.parts], { axis: -1 }, [onPast, onFed]);
    const gathered = g.node("Add", [
      g.node("MatMul", [onPast, names.pastValue(l)]),
      g.node("MatMul", [onFed, value]),
    ]);
    const perHead = g.node("Reshape", [gathered, g.int64([queryHeads, -1, headDim])]);
    const perToken = g.node("Transpose", [perHead], { perm: [1, 0, 2] });
    return g.node("Reshape", [perToken, g.int64([-1, queryHeads * headDim])]);
  }

  /** `rows keys^T / sqrt(headDim)`. */
  #scores(rows: string, keys: string): string {
    const g = this.#g;
    const scale = 1 / Math.sqrt(this.shape.headDim);
    if (this.options.target === "gpu") {
      // There FusedMatMul does not run, and would take the past to the host and back.
      const columns = g.node("Transpose", [keys], { perm: [0, 1, 3, 2] });
      return g.node("MatMul", [g.node("Mul", [rows, g.float32(scale)]), columns]);
    }
    const alpha = { float: scale };
    return g.node("com.microsoft:FusedMatMul", [rows, keys], { transB: 1, alpha });
  }

  /** Scores, none further below the largest of its row than `-NEGLIGIBLE`. */
  #bounded(scores: string): string {
    const g = this.#g;
    const top = g.node("ReduceMax", [scores, g.int64([-1])], { keepdims: 1 });
    return g.node("Max", [scores, g.node("Sub", [top, g.float32(NEGLIGIBLE)])]);
  }

  /** The slice of the mask that a layer uses, `[1, 1, q, T]`. */
  #maskOf(l: number, { lastMask }: Shared): string {
    const g = this.#g;
    const first = g.node("Min", [lastMask, g.int64([l])]);
    if (this.options.target !== "gpu") return g.node("Gather", [names.mask, first]);
    // Slice takes its bounds from the host, Gather would take its index to the GPU.
    const end = g.node("Add", [first, g.int64([1])]);
    return g.node("Slice", [names.mask, first, end, g.int64([0])]);
  }

  /** Queries, keys and values side by side, heads the columns of a token. */
  #projections(l: number, x: string): string {
    const { hidden, queryHeads, kvHeads, headDim } = this.shape;
    const { names: { query, key, value }, attentionBias } = this.options.parts;
    const sizes = [(queryHeads + 2 * kvHeads) * headDim, hidden] as const;
    return this.#linear(x, this.#layer(l), [query, key, value], sizes, attentionBias);
  }

  /** Queries and keys after RoPE, and values, `[1, heads, q, headDim]`; all are graph outputs. */
  #project(l: number, x: string, shared: Shared): { query: string; key: string; value: string } {
    const g = this.#g;
    const { queryHeads, kvHeads, headDim } = this.shape;
    const { headNorms } = this.options.parts;
    const [query, key, value] = [names.query(l), names.key(l), names.value(l)];
    const rotated = queryHeads + kvHeads;
    const heads = rotated + kvHeads;
    const fused = this.#projections(l, x);
    const perHead = g.node(
      "Transpose",
      [g.node("Reshape", [fused, g.int64([1, -1, heads, headDim])])],
      { perm: [0, 2, 1, 3] },
    );
    // Queries and keys turn together, as the heads of one tensor.
    const [projected, before] = [`projected.${l}`, `before_rope.${l}`];
    const parted = headNorms ? projected : before;
    g.node("Split", [perHead, g.int64([rotated, kvHeads])], { axis: 1 }, [parted, value]);
    if (headNorms) this.#normHeads(l, projected, [rotated, 1, headDim], before);
    const after = g.node(
      "com.microsoft:RotaryEmbedding",
      [before, names.positions, shared.cos, shared.sin],
    );
    g.node("Split", [after, g.int64([queryHeads, kvHeads])], { axis: 1 }, [query, key]);
    const keysOnly = [g.int64([queryHeads]), g.int64([rotated]), g.int64([1])];
    g.node("Slice", [before, ...keysOnly], {}, [names.preRopeKey(l)]);

    for (const name of [key, value, names.preRopeKey(l)]) {
      g.output(name, "float32", [1, kvHeads, "q", headDim]);
    }
    g.output(query, "float32", [1, queryHeads, "q", headDim]);
    return { query, key, value };
  }

  /** Query and key heads, `headDim` innermost, each normalised; `sizes` of weights that differ by head. */
  #normHeads(l: number, heads: string, sizes: readonly number[], target: string): void {
    const g = this.#g;
    const { queryHeads, kvHeads, headDim } = this.shape;
    const { names: modules } = this.options.parts;
    const weight = (module: string) => `${this.#layer(l)}.${module}.weight`;
    const ones = g.weight(`ones.${l}`, [headDim], new Float32Array(headDim).fill(1));
    // One norm for all heads, then each head's own weights.
    const weights = g.weight(
      `head_norms.${l}`,
      sizes,
      ...new Array(queryHeads).fill(weight(modules.queryNorm)),
      ...new Array(kvHeads).fill(weight(modules.keyNorm)),
    );
    g.node("Mul", [this.#norm(heads, ones), weights], {}, [target]);
  }

  /** `down(silu(gate(x)) * up(x))`. */
  #mlp(at: string, x: string): string {
    const g = this.#g;
    const { hidden } = this.shape;
    const { intermediate, parts: { names: modules, mlpBias } } = this.options;
    const sizes = [2 * intermediate, hidden] as const;
    const both = this.#linear(x, at, [modules.gate, modules.up], sizes, mlpBias);
    const [gate, up] = [`gate.${at}`, `up.${at}`];
    g.node("Split", [both, g.int64([intermediate, intermediate])], { axis: 1 }, [gate, up]);
    // QuickGelu is x * sigmoid(alpha * x): with alpha 1 it is SiLU in one operator.
    const activated = g.node("com.microsoft:QuickGelu", [gate], { alpha: { float: 1 } });
    const product = g.node("Mul", [activated, up]);
    return this.#linear(product, at, [modules.down], [hidden, intermediate], mlpBias);
  }

  /**
   * `x W^T (+ b)` with `W` as Hugging Face stores it; several projections of one input become one
   * product whose outputs lie side by side.
   */
  #linear(
    x: string,
    at: string,
    modules: readonly string[],
    sizes: readonly [out: number, columns: number],
    bias: boolean,
  ): string {
    const g = this.#g;
    const stacked = (kind: "weight" | "bias") => modules.map((module) => `${at}.${module}.${kind}`);
    const name = `${at}.${modules.join("+")}`;
    const inputs = [x, g.weight(`${name}.weight`, sizes, ...stacked("weight"))];
    if (bias) inputs.push(g.weight(`${name}.bias`, [sizes[0]], ...stacked("bias")));
    return g.node("Gemm", inputs, { transB: 1 });
  }

  /** Adds a branch to the residual stream: the sum normalised, and the sum. */
  #addAndNorm(branch: string, residual: string, norm: string): [string, string] {
    const [normed, sum] = [`${norm}.normed`, `${norm}.sum`];
    this.#g.node(
      "com.microsoft:SkipSimplifiedLayerNormalization",
      [branch, residual, this.#weight(norm, [this.shape.hidden])],
      { epsilon: { float: this.options.rmsNormEps } },
      [normed, "", "", sum],
    );
    return [normed, sum];
  }

  /** RMSNorm over the last dimension. */
  #norm(x: string, weight: string): string {
    return this.#g.node("SimplifiedLayerNormalization", [x, weight], {
      axis: -1,
      epsilon: { float: this.options.rmsNormEps },
      stash_type: 1,
    });
  }

  /** Weight of a module. */
  #weight(module: string, dims: readonly number[]): string {
    const name = `${module}.weight`;
    return this.#g.weight(name, dims, name);
  }

  /** What the names of a layer's modules start with. */
  #layer(l: number): string {
    return `${this.options.parts.names.layers}.${l}`;
  }

  #keptRows(rows: string, shared: Shared): string {
    const g = this.#g;
    return g.node("Slice", [rows, shared.firstKept, g.int64([FAR]), g.int64([0])]);
  }
}
