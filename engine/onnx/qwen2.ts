/**
 * The Qwen2 decoder as an ONNX graph (Yang et al., 2024, arXiv 2407.10671; huggingface/transformers,
 * models/qwen2/modeling_qwen2.py).
 *
 * Attention is written out instead of using a fused operator, for two reasons. The replay feeds many
 * steps at once, each of which sees other versions of the past, so it needs a mask of its own. And
 * the past is by far the largest tensor, so it is never copied: scores against the past and against
 * the fed tokens are computed apart and joined only for the softmax. Query heads that share a KV head
 * are folded into rows, so that keys and values are not repeated either.
 *
 * @module
 */
import type { ModelShape } from "../engine.ts";
import { rotaryTables } from "../rotary.ts";
import { type BuiltGraph, GraphBuilder } from "./graph_builder.ts";

/** Part of every cache key: raise it when the graph computes anything differently. */
export const GRAPH_VERSION = 4;

/** A model's weights by Hugging Face name, float32, row-major `[out, in]`. */
export type Weights = (name: string) => Float32Array<ArrayBuffer>;

/** What the graph needs beyond the sizes. */
export interface Qwen2Options {
  /** Width of the gated MLP. */
  readonly intermediate: number;
  /** Epsilon of RMSNorm. */
  readonly rmsNormEps: number;
  /** Whether the output head is the token embedding. */
  readonly tiedEmbeddings: boolean;
  /** Where it will run: the few operators that differ are chosen for it. */
  readonly target: "host" | "gpu";
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
 * How far below the largest of its row a score weighs nothing: exp(-70) is 4e-31. On a host, lower
 * ones are raised to it. Masked entries would leave the softmax as denormal numbers, with which a
 * processor computes up to twenty times slower; a GPU flushes them by itself.
 */
const NEGLIGIBLE = 70;

/**
 * Builds the graph.
 *
 * Inputs: `input_ids` and `position_ids` `[1, q]` int64; `attention_mask` `[M, 1, q, P + q]` float32,
 * additive, `M` 1 or the number of layers; `past_key_values.N.key|value` `[1, kvHeads, P, headDim]`,
 * `P >= 1`, keys rotated, entries in any order; `num_logits_to_keep` int64 scalar.
 *
 * Outputs: `logits` `[1, num_logits_to_keep, vocab]`; of the fed tokens only, `present.N.key|value`
 * and `present.N.key_pre_rope` `[1, kvHeads, q, headDim]`, and `query.N` `[1, queryHeads, q, headDim]`
 * after RoPE.
 */
export function buildQwen2(
  shape: ModelShape,
  options: Qwen2Options,
  weights: Weights,
): BuiltGraph {
  return new Qwen2Graph(shape, options, weights).build();
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
  /** Last index of the mask's first axis, and the one after it. */
  readonly lastMask: string;
  readonly afterLastMask: string;
  /** `[-k]`: first row that needs logits. */
  readonly firstKept: string;
}

class Qwen2Graph {
  readonly #g = new GraphBuilder();

  constructor(
    private readonly shape: ModelShape,
    private readonly options: Qwen2Options,
    private readonly weights: Weights,
  ) {}

  build(): BuiltGraph {
    const g = this.#g;
    const { layers, hidden, vocab } = this.shape;
    this.#declareInputs();
    const shared = this.#shared();

    const embedding = g.weight(
      "model.embed_tokens.weight",
      [vocab, hidden],
      this.weights("model.embed_tokens.weight"),
    );
    const ids = g.node("Reshape", [names.ids, g.int64([-1])]);
    let residual = g.node("Gather", [embedding, ids]);
    let x = g.node("SimplifiedLayerNormalization", [
      residual,
      this.#normWeight("model.layers.0.input_layernorm"),
    ], { axis: -1, epsilon: { float: this.options.rmsNormEps }, stash_type: 1 });

    for (let l = 0; l < layers; l++) {
      const at = `model.layers.${l}`;
      const last = l + 1 === layers;
      let attended = this.#attention(l, x, shared);
      if (last) {
        // A row without logits is done once its key and value exist.
        attended = this.#keptRows(attended, shared);
        residual = this.#keptRows(residual, shared);
      }
      const projected = this.#linear(attended, `${at}.self_attn`, ["o"], hidden);
      [x, residual] = this.#addAndNorm(projected, residual, `${at}.post_attention_layernorm`);
      const next = last ? "model.norm" : `model.layers.${l + 1}.input_layernorm`;
      [x, residual] = this.#addAndNorm(this.#mlp(at, x), residual, next);
    }

    const head = this.options.tiedEmbeddings
      ? embedding
      : g.weight("lm_head.weight", [vocab, hidden], this.weights("lm_head.weight"));
    const logits = g.node("Gemm", [x, head], { transB: 1 });
    g.node("Unsqueeze", [logits, g.int64([0])], {}, [names.logits]);
    g.output(names.logits, "float32", [1, "k", vocab]);
    return g.build("qwen2");
  }

  #declareInputs(): void {
    const g = this.#g;
    const { layers, kvHeads, headDim } = this.shape;
    g.input(names.ids, "int64", [1, "q"]);
    g.input(names.positions, "int64", [1, "q"]);
    g.input(names.mask, "float32", ["M", 1, "q", "T"]);
    g.input(names.keep, "int64", []);
    for (let l = 0; l < layers; l++) {
      g.input(names.pastKey(l), "float32", [1, kvHeads, "P", headDim]);
      g.input(names.pastValue(l), "float32", [1, kvHeads, "P", headDim]);
    }
  }

  #shared(): Shared {
    const g = this.#g;
    const { queryHeads, kvHeads, headDim, maxPositions, ropeTheta } = this.shape;
    const tables = rotaryTables(maxPositions, headDim, ropeTheta);
    const size = (value: string, axis: number) =>
      g.node("Shape", [value], { start: axis, end: axis + 1 });
    const fed = size(names.ids, 1);
    // Not from the past itself: a GPU would bring it to the host for its shape.
    const columns = size(names.mask, 3);
    const masks = size(names.mask, 0);
    const heads = g.int64([kvHeads, queryHeads / kvHeads]);
    return {
      cos: g.weight("rope.cos", [maxPositions, headDim / 2], tables.cos),
      sin: g.weight("rope.sin", [maxPositions, headDim / 2], tables.sin),
      parts: g.node("Concat", [g.node("Sub", [columns, fed]), fed], { axis: 0 }),
      scoreShape: g.node("Concat", [heads, fed, columns], { axis: 0 }),
      lastMask: g.node("Sub", [masks, g.int64([1])]),
      afterLastMask: masks,
      firstKept: g.node("Sub", [g.int64([0]), g.node("Reshape", [names.keep, g.int64([1])])]),
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
    if (this.options.target === "host") {
      return g.node("com.microsoft:FusedMatMul", [rows, keys], {
        transB: 1,
        alpha: { float: scale },
      });
    }
    // There FusedMatMul does not run on the GPU, and would take the past to the host and back.
    const columns = g.node("Transpose", [keys], { perm: [0, 1, 3, 2] });
    return g.node("MatMul", [g.node("Mul", [rows, g.float32(scale)]), columns]);
  }

  /** Scores, none further below the largest of its row than `-NEGLIGIBLE`. */
  #bounded(scores: string): string {
    if (this.options.target === "gpu") return scores;
    const g = this.#g;
    const top = g.node("ReduceMax", [scores, g.int64([-1])], { keepdims: 1 });
    return g.node("Max", [scores, g.node("Sub", [top, g.float32(NEGLIGIBLE)])]);
  }

  /** The slice of the mask that a layer uses, `[1, 1, q, T]`. */
  #maskOf(l: number, { lastMask, afterLastMask }: Shared): string {
    const g = this.#g;
    const first = g.node("Min", [lastMask, g.int64([l])]);
    if (this.options.target === "host") return g.node("Gather", [names.mask, first]);
    // Slice takes its bounds from the host, Gather would take its index to the GPU.
    const end = g.node("Min", [afterLastMask, g.int64([l + 1])]);
    return g.node("Slice", [names.mask, first, end, g.int64([0])]);
  }

  /** Queries and keys after RoPE, and values, `[1, heads, q, headDim]`; all are graph outputs. */
  #project(l: number, x: string, shared: Shared): { query: string; key: string; value: string } {
    const g = this.#g;
    const { queryHeads, kvHeads, headDim } = this.shape;
    const [query, key, value] = [names.query(l), names.key(l), names.value(l)];
    const rotated = queryHeads + kvHeads;
    const heads = rotated + kvHeads;
    const prefix = `model.layers.${l}.self_attn`;
    const fused = this.#linear(x, prefix, ["q", "k", "v"], heads * headDim, true);
    const perHead = g.node(
      "Transpose",
      [g.node("Reshape", [fused, g.int64([1, -1, heads, headDim])])],
      { perm: [0, 2, 1, 3] },
    );
    // Queries and keys turn together, as the heads of one tensor.
    const before = `before_rope.${l}`;
    g.node("Split", [perHead, g.int64([rotated, kvHeads])], { axis: 1 }, [before, value]);
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

  /** `down(silu(gate(x)) * up(x))`. */
  #mlp(at: string, x: string): string {
    const g = this.#g;
    const { intermediate } = this.options;
    const both = this.#linear(x, `${at}.mlp`, ["gate", "up"], 2 * intermediate);
    const [gate, up] = [`${at}.gate`, `${at}.up`];
    g.node("Split", [both, g.int64([intermediate, intermediate])], { axis: 1 }, [gate, up]);
    // QuickGelu is x * sigmoid(alpha * x): with alpha 1 it is SiLU in one operator.
    const activated = g.node("com.microsoft:QuickGelu", [gate], { alpha: { float: 1 } });
    return this.#linear(g.node("Mul", [activated, up]), `${at}.mlp`, ["down"], this.shape.hidden);
  }

  /**
   * `x W^T (+ b)` with `W` as Hugging Face stores it; several projections of one input become one
   * product whose outputs lie side by side.
   */
  #linear(x: string, prefix: string, parts: string[], out: number, bias = false): string {
    const g = this.#g;
    const stacked = (kind: "weight" | "bias") =>
      parts.map((part) => this.weights(`${prefix}.${part}_proj.${kind}`));
    const name = `${prefix}.${parts.join("")}_proj`;
    const weight = stacked("weight");
    const columns = weight.reduce((sum, w) => sum + w.length, 0) / out;
    const inputs = [x, g.weight(`${name}.weight`, [out, columns], ...weight)];
    if (bias) inputs.push(g.weight(`${name}.bias`, [out], ...stacked("bias")));
    return g.node("Gemm", inputs, { transB: 1 });
  }

  /** Adds a branch to the residual stream: the sum normalised, and the sum. */
  #addAndNorm(branch: string, residual: string, norm: string): [string, string] {
    const [normed, sum] = [`${norm}.normed`, `${norm}.sum`];
    this.#g.node(
      "com.microsoft:SkipSimplifiedLayerNormalization",
      [branch, residual, this.#normWeight(norm)],
      { epsilon: { float: this.options.rmsNormEps } },
      [normed, "", "", sum],
    );
    return [normed, sum];
  }

  #normWeight(norm: string): string {
    const name = `${norm}.weight`;
    return this.#g.weight(name, [this.shape.hidden], this.weights(name));
  }

  #keptRows(rows: string, shared: Shared): string {
    const g = this.#g;
    return g.node("Slice", [rows, shared.firstKept, g.int64([FAR]), g.int64([0])]);
  }
}
