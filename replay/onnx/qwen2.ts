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
export const GRAPH_VERSION = 1;

/** A model's weights by Hugging Face name, float32, row-major `[out, in]`. */
export type Weights = (name: string) => Float32Array;

/** What the graph needs beyond the sizes. */
export interface Qwen2Options {
  readonly intermediate: number;
  readonly rmsNormEps: number;
  readonly tiedEmbeddings: boolean;
}

const FAR = 2 ** 31 - 1;

/**
 * Builds the graph.
 *
 * Inputs: `input_ids` and `position_ids` `[1, q]` int64; `attention_mask` `[M, 1, q, P + q]` float32,
 * additive, `M` 1 or the number of layers; `past_key_values.N.key|value` `[1, kvHeads, P, headDim]`,
 * `P >= 1`, keys rotated; `num_logits_to_keep` int64 scalar.
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
  const g = new GraphBuilder();
  const { hidden, queryHeads, kvHeads, headDim, vocab, maxPositions } = shape;
  const { intermediate } = options;
  const folded = queryHeads / kvHeads;
  const norm = { axis: -1, epsilon: { float: options.rmsNormEps }, stash_type: 1 };

  const ids = g.input("input_ids", "int64", [1, "q"]);
  const positions = g.input("position_ids", "int64", [1, "q"]);
  const mask = g.input("attention_mask", "float32", ["M", 1, "q", "T"]);
  const keep = g.input("num_logits_to_keep", "int64", []);

  const rope = rotaryTables(maxPositions, headDim, shape.ropeTheta);
  const cos = g.weight("rope.cos", [maxPositions, headDim / 2], rope.cos);
  const sin = g.weight("rope.sin", [maxPositions, headDim / 2], rope.sin);
  const embedding = g.weight("embedding", [vocab, hidden], weights("model.embed_tokens.weight"));

  /** `x W^T (+ b)`, with `W` as Hugging Face stores it. */
  const linear = (
    x: string,
    name: string,
    out: number,
    inputs: number,
    parts: string[],
    bias = false,
  ) => {
    const w = g.weight(
      `${name}.weight`,
      [out, inputs],
      ...parts.map((p) => weights(`${p}.weight`)),
    );
    const b = bias
      ? [g.weight(`${name}.bias`, [out], ...parts.map((p) => weights(`${p}.bias`)))]
      : [];
    return g.node("Gemm", [x, w, ...b], { transB: 1 });
  };
  const lastMask = g.node("Sub", [
    g.node("Gather", [g.node("Shape", [mask]), g.int64(0)]),
    g.int64(1),
  ]);
  const scale = g.float32(1 / Math.sqrt(headDim));
  const kvDims = [1, kvHeads, "P", headDim];
  const newDims = [1, kvHeads, "q", headDim];

  let pastTokens = "";
  let residual = g.node("Squeeze", [g.node("Gather", [embedding, ids]), g.int64([0])]);
  let x = g.node("SimplifiedLayerNormalization", [
    residual,
    g.weight("norm.0.weight", [hidden], weights("model.layers.0.input_layernorm.weight")),
  ], norm);
  /** Adds a branch to the residual stream and normalises; sets `residual`. */
  const addAndNorm = (branch: string, weight: string): string => {
    const sum = `${weight} sum`;
    const normed = g.node(
      "com.microsoft:SkipSimplifiedLayerNormalization",
      [residual, branch, weight],
      { epsilon: norm.epsilon },
      [`${weight} out`, "", "", sum],
    );
    residual = sum;
    return normed;
  };

  for (let l = 0; l < shape.layers; l++) {
    const at = `model.layers.${l}`;
    const pastKey = g.input(`past_key_values.${l}.key`, "float32", kvDims);
    const pastValue = g.input(`past_key_values.${l}.value`, "float32", kvDims);
    pastTokens ||= g.node("Slice", [g.node("Shape", [pastKey]), g.int64([2]), g.int64([3])]);

    const [qSize, kvSize] = [queryHeads * headDim, kvHeads * headDim];
    const qkv = linear(
      x,
      `qkv.${l}`,
      qSize + 2 * kvSize,
      hidden,
      ["q", "k", "v"].map((n) => `${at}.self_attn.${n}_proj`),
      true,
    );
    const names = ["q", "k", "v"].map((n) => `${n}.${l}`);
    g.node("Split", [qkv, g.int64([qSize, kvSize, kvSize])], { axis: 1 }, names);
    const heads = (x: string, count: number, output?: string) =>
      g.node(
        "Transpose",
        [g.node("Reshape", [x, g.int64([1, -1, count, headDim])])],
        { perm: [0, 2, 1, 3] },
        ...(output === undefined ? [] : [[output]]),
      );
    const rotate = (x: string, output: string) =>
      g.node("com.microsoft:RotaryEmbedding", [x, positions, cos, sin], {}, [output]);
    const query = rotate(heads(names[0]!, queryHeads), `query.${l}`);
    const keyPre = heads(names[1]!, kvHeads, `present.${l}.key_pre_rope`);
    const key = rotate(keyPre, `present.${l}.key`);
    const value = heads(names[2]!, kvHeads, `present.${l}.value`);

    const rows = g.node("Reshape", [
      g.node("Mul", [query, scale]),
      g.int64([1, kvHeads, -1, headDim]),
    ]);
    const scoresOf = (keys: string) =>
      g.node("MatMul", [rows, g.node("Transpose", [keys], { perm: [0, 1, 3, 2] })]);
    const scores = g.node("Concat", [scoresOf(pastKey), scoresOf(key)], { axis: 3 });
    const layerMask = g.node("Gather", [mask, g.node("Min", [lastMask, g.int64(l)])], { axis: 0 });
    const masked = g.node("Add", [
      g.node("Reshape", [scores, g.int64([kvHeads, folded, -1, 0])]),
      layerMask,
    ]);
    // [kvHeads, folded, q, T] back to [1, kvHeads, folded * q, T]; 0 keeps the last dimension.
    const weightsOf = g.node("Reshape", [
      g.node("Softmax", [masked], { axis: -1 }),
      g.int64([1, kvHeads, -1, 0]),
    ]);
    const axis = g.int64([3]);
    const onPast = g.node("Slice", [weightsOf, g.int64([0]), pastTokens, axis]);
    const onNew = g.node("Slice", [weightsOf, pastTokens, g.int64([FAR]), axis]);
    const attended = g.node("Add", [
      g.node("MatMul", [onPast, pastValue]),
      g.node("MatMul", [onNew, value]),
    ]);
    const joined = g.node("Reshape", [
      g.node(
        "Transpose",
        [g.node("Reshape", [attended, g.int64([queryHeads, 1, -1, headDim])])],
        { perm: [1, 2, 0, 3] },
      ),
      g.int64([-1, qSize]),
    ]);
    const attention = linear(joined, `o.${l}`, hidden, qSize, [`${at}.self_attn.o_proj`]);
    x = addAndNorm(
      attention,
      g.weight(
        `norm.${l}.mlp.weight`,
        [hidden],
        weights(`${at}.post_attention_layernorm.weight`),
      ),
    );

    const both = linear(x, `gate_up.${l}`, 2 * intermediate, hidden, [
      `${at}.mlp.gate_proj`,
      `${at}.mlp.up_proj`,
    ]);
    const [gate, up] = [`gate.${l}`, `up.${l}`];
    g.node("Split", [both, g.int64([intermediate, intermediate])], { axis: 1 }, [gate, up]);
    const silu = g.node("Mul", [gate, g.node("Sigmoid", [gate])]);
    const mlp = linear(g.node("Mul", [silu, up]), `down.${l}`, hidden, intermediate, [
      `${at}.mlp.down_proj`,
    ]);
    const next = l + 1 < shape.layers
      ? `model.layers.${l + 1}.input_layernorm.weight`
      : "model.norm.weight";
    x = addAndNorm(mlp, g.weight(`norm.${l + 1}.weight`, [hidden], weights(next)));

    g.output(`present.${l}.key`, "float32", newDims);
    g.output(`present.${l}.value`, "float32", newDims);
    g.output(`present.${l}.key_pre_rope`, "float32", newDims);
    g.output(`query.${l}`, "float32", [1, queryHeads, "q", headDim]);
  }
  const kept = g.node("Slice", [
    x,
    g.node("Neg", [g.node("Reshape", [keep, g.int64([1])])]),
    g.int64([FAR]),
    g.int64([0]),
  ]);
  const head = options.tiedEmbeddings
    ? embedding
    : g.weight("lm_head", [vocab, hidden], weights("lm_head.weight"));
  const logits = g.node("Gemm", [kept, head], { transB: 1 });
  g.node("Unsqueeze", [logits, g.int64([0])], {}, ["logits"]);
  g.output("logits", "float32", [1, "k", vocab]);
  return g.build("qwen2");
}
