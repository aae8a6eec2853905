/**
 * The metadata of a GGUF file as the `config.json` of the same model (ggml-org/ggml, docs/gguf.md,
 * "LLM"; the names on the other side are huggingface/transformers').
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import type { JsonObject } from "../json_file.ts";
import type { Metadata } from "./metadata.ts";
import { quoted } from "./quoted.ts";
import { scalingOfFactors } from "./rope_factors.ts";
import { ROPE_FACTORS } from "./tensor_names.ts";

/** `model_type` by `general.architecture`; files of Mistral models say llama. */
const modelTypes: Readonly<Record<string, string>> = {
  llama: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
};

/** Longest context: more than any model has. */
const MAX_POSITIONS = 2 ** 24;

/** What the tensors say about the architecture. */
export interface TensorFacts {
  /** Whether the file has a tensor of this name. */
  readonly has: (name: string) => boolean;
  /** How many it has. */
  readonly count: number;
  /** Rows of the token embedding. */
  readonly vocab: number;
  /** The values of `rope_freqs.weight`, when it is there. */
  readonly ropeFactors: readonly number[] | undefined;
}

/**
 * The configuration of the model in a file.
 *
 * @throws {UserError} for an architecture that is not known, for keys that are missing or wrong, and
 * for what no `config.json` can say
 */
export function configOf(metadata: Metadata, tensors: TensorFacts): JsonObject {
  const architecture = metadata.text("general.architecture");
  if (!Object.hasOwn(modelTypes, architecture)) {
    throw new UserError(
      `${metadata.path}: "general.architecture" is ${
        quoted(architecture)
      }; those that are known are ${Object.keys(modelTypes).join(", ")}`,
    );
  }
  const key = (name: string) => `${architecture}.${name}`;
  const hidden = metadata.count(key("embedding_length"));
  const heads = metadata.count(key("attention.head_count"));
  if (!metadata.has(key("attention.key_length")) && hidden % heads !== 0) {
    throw new UserError(
      `${metadata.path}: "${key("embedding_length")}" is ${hidden}; it must be a multiple of "${
        key("attention.head_count")
      }", ${heads}`,
    );
  }
  const headDim = metadata.count(key("attention.key_length"), hidden / heads);
  const most = (name: string, limit: number, why: string) => {
    const is = metadata.count(key(name));
    if (is <= limit) return is;
    throw new UserError(
      `${metadata.path}: "${key(name)}" is ${is}; it must be ${limit} at most, ${why}`,
    );
  };
  const must = (name: string, value: number, why: string) => {
    const is = metadata.count(key(name), value);
    if (is === value) return;
    throw new UserError(`${metadata.path}: "${key(name)}" is ${is}; it must be ${value}, ${why}`);
  };
  must("attention.value_length", headDim, "the width of the keys");
  must("rope.dimension_count", headDim, "the width of a head, all of which is rotated");
  must("expert_count", 0, "because mixtures of experts are not computed");
  return {
    model_type: modelTypes[architecture],
    hidden_size: hidden,
    num_hidden_layers: most("block_count", tensors.count, "the number of tensors"),
    num_attention_heads: heads,
    num_key_value_heads: metadata.count(key("attention.head_count_kv"), heads),
    head_dim: headDim,
    intermediate_size: metadata.count(key("feed_forward_length")),
    vocab_size: tensors.vocab,
    max_position_embeddings: most("context_length", MAX_POSITIONS, "for which there are tables"),
    rms_norm_eps: metadata.number(key("attention.layer_norm_rms_epsilon")),
    rope_theta: metadata.number(key("rope.freq_base"), 10000),
    rope_scaling: ropeScaling(metadata, architecture, headDim, tensors),
    attention_bias: tensors.has("blk.0.attn_q.bias"),
    mlp_bias: tensors.has("blk.0.ffn_gate.bias"),
    ...(metadata.has(key("attention.sliding_window"))
      ? {
        use_sliding_window: true,
        sliding_window: metadata.count(key("attention.sliding_window")),
        max_window_layers: 0,
      }
      : {}),
    tie_word_embeddings: !tensors.has("output.weight"),
  };
}

function ropeScaling(
  metadata: Metadata,
  architecture: string,
  headDim: number,
  { ropeFactors }: TensorFacts,
): JsonObject | null {
  const key = (name: string) => `${architecture}.rope.${name}`;
  if (ropeFactors !== undefined) {
    const theta = metadata.number(key("freq_base"), 10000);
    const scaling = scalingOfFactors(ropeFactors, headDim, theta);
    if (scaling !== undefined && ropeFactors.length === headDim / 2) return scaling;
    throw new UserError(
      `In ${metadata.path} the factors of "${ROPE_FACTORS}" are not those of Llama 3.1 and later, the only ones that are known`,
    );
  }
  // Files from before there were types name the divisor of the positions alone.
  const factor = metadata.number(
    key("scaling.factor"),
    metadata.number(key("scale_linear"), 1),
  );
  const type = metadata.text(key("scaling.type"), "linear");
  switch (type) {
    case "none":
      return null;
    case "linear":
      return factor === 1 ? null : { rope_type: type, factor };
    case "yarn":
      break;
    default:
      throw new UserError(
        `${metadata.path}: "${key("scaling.type")}" is ${
          quoted(type)
        }; those that are known are none, linear, yarn`,
      );
  }
  for (
    const [name, neutral] of Object.entries({ ext_factor: 1, attn_factor: 1, log_multiplier: 0 })
  ) {
    const value = metadata.number(key(`scaling.yarn_${name}`), neutral);
    if (value !== neutral) {
      throw new UserError(
        `${metadata.path}: "${key(`scaling.yarn_${name}`)}" is ${value}; only ${neutral} is known`,
      );
    }
  }
  // llama.cpp multiplies by it what YaRN itself does to the attention.
  const attention = metadata.number(key("scaling.attn_factor"), 1);
  return {
    rope_type: type,
    factor,
    original_max_position_embeddings: metadata.count(key("scaling.original_context_length")),
    beta_fast: metadata.number(key("scaling.yarn_beta_fast"), 32),
    beta_slow: metadata.number(key("scaling.yarn_beta_slow"), 1),
    attention_factor: attention * (0.1 * Math.log(factor) + 1),
  };
}
