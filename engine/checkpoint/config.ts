/**
 * `config.json` of a Hugging Face folder: architecture sizes, and refusal of what the graph does not
 * compute.
 *
 * @module
 */
import type { ModelShape } from "../engine.ts";
import type { DecoderParts } from "../onnx/decoder.ts";
import type { Architecture } from "./architectures/architecture.ts";
import { architectures, modelTypes } from "./architectures/registry.ts";
import { ConfigFields } from "./config_fields.ts";
import { UserError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "./json_file.ts";
import { readRope } from "./rope_parameters.ts";

/** What the graph is built from. */
export interface ModelConfig {
  /** Architecture sizes. */
  readonly shape: ModelShape;
  /** Which parts the decoder has, and their names. */
  readonly parts: DecoderParts;
  /** Width of the gated MLP. */
  readonly intermediate: number;
  /** Epsilon of RMSNorm. */
  readonly rmsNormEps: number;
  /** Whether the output head is the token embedding. */
  readonly tiedEmbeddings: boolean;
  /** End token ids named here, empty when none. */
  readonly eosIds: readonly number[];
}

/**
 * Fields that some models have, and the values with which they change nothing. Whatever
 * `model_type` says, others stand for a computation that the graph does not do.
 */
const plain: Readonly<Record<string, readonly unknown[]>> = {
  hidden_act: ["silu", "swish"],
  is_causal: [true],
  clip_qkv: [null],
  use_qk_norm: [false, null],
  qk_layernorm: [false, null],
  attention_chunk_size: [null],
  no_rope_layers: [null],
  query_pre_attn_scalar: [null],
  attention_multiplier: [null],
  attn_logit_softcapping: [null],
  final_logit_softcapping: [null],
  embedding_multiplier: [1],
  residual_multiplier: [1],
  logit_scale: [1],
  logits_scaling: [1],
};

/**
 * Sizes beyond which a configuration is taken for broken: several times those of the largest models of
 * these architectures, and small enough that nothing counts up to them for long.
 */
export const LARGEST = {
  layers: 1024,
  width: 2 ** 20,
  heads: 4096,
  headDim: 8192,
  vocab: 2 ** 22,
  positions: 2 ** 22,
} as const;

/**
 * Reads the fields of a configuration of any known architecture; absent ones have the defaults of
 * huggingface/transformers.
 *
 * @param path used in errors
 * @throws {UserError} naming the field, its value and what is supported
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readConfig } from "./config.ts";
 *
 * const { shape } = readConfig({
 *   model_type: "qwen2",
 *   hidden_size: 896,
 *   num_hidden_layers: 24,
 *   num_attention_heads: 14,
 *   num_key_value_heads: 2,
 *   intermediate_size: 4864,
 *   vocab_size: 151936,
 * }, "config.json");
 * assertEquals(shape.headDim, 64);
 * ```
 */
export function readConfig(json: JsonObject, path: string): ModelConfig {
  const type = new ConfigFields(json, path).oneOf("model_type", modelTypes);
  const architecture = architectures[type];
  const all = { ...architecture.defaults, ...json };
  const field = new ConfigFields(all, path);
  const hidden = field.size("hidden_size", undefined, LARGEST.width);
  const layers = field.size("num_hidden_layers", undefined, LARGEST.layers);
  const queryHeads = field.size("num_attention_heads", undefined, LARGEST.heads);
  const kvHeads = field.size("num_key_value_heads", queryHeads, LARGEST.heads);
  if (queryHeads % kvHeads !== 0) {
    throw new UserError(
      `${path}: num_attention_heads (${queryHeads}) must be a multiple of num_key_value_heads (${kvHeads})`,
    );
  }
  const headDim = field.size("head_dim", hidden / queryHeads, LARGEST.headDim);
  if (headDim % 2 !== 0) {
    throw new UserError(`${path}: head_dim must be even, not ${headDim}`);
  }
  for (const [name, values] of Object.entries(plain)) field.oneOf(name, values, values[0]);
  checkQuantization(all, path);
  const maxPositions = field.size("max_position_embeddings", undefined, LARGEST.positions);
  const { rotary, positions } = readRope(all, path, { headDim, maxPositions });
  if (positions > LARGEST.positions) {
    throw new UserError(
      `${path}: scaled rotary positions give ${positions} of them; supported are up to ${LARGEST.positions}`,
    );
  }
  checkWindows(all, path, architecture, layers, positions);
  return {
    shape: {
      layers,
      hidden,
      queryHeads,
      kvHeads,
      headDim,
      vocab: field.size("vocab_size", undefined, LARGEST.vocab),
      maxPositions: positions,
      rotary,
    },
    parts: readParts(field, architecture),
    intermediate: field.size("intermediate_size", undefined, LARGEST.width),
    rmsNormEps: field.positive("rms_norm_eps", 1e-6),
    tiedEmbeddings: field.oneOf("tie_word_embeddings", [true, false], false),
    eosIds: readEosIds(json, path) ?? [],
  };
}

/**
 * `eos_token_id` of a configuration, a number or a list; undefined when it is absent or null.
 *
 * @throws {UserError} for anything else
 */
export function readEosIds(json: JsonObject, path: string): number[] | undefined {
  const value = json.eos_token_id;
  if (value === undefined || value === null) return undefined;
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  if (ids.length > 0 && ids.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)) {
    return ids as number[];
  }
  throw new UserError(
    `${path}: eos_token_id must be a token id or a list of them, not ${JSON.stringify(value)}`,
  );
}

/** The parts of an architecture, with biases as the configuration has them. */
function readParts(field: ConfigFields, { names, biases, headNorms }: Architecture): DecoderParts {
  const has = (bias: boolean | string) =>
    typeof bias === "boolean" ? bias : field.oneOf(bias, [true, false], false);
  // Nobody reads these fields then, but they must not ask for what is not there.
  if (biases.attentionBias === false) field.oneOf("attention_bias", [false], false);
  if (biases.mlpBias === false) field.oneOf("mlp_bias", [false], false);
  return {
    names,
    attentionBias: has(biases.attentionBias),
    outputBias: has(biases.outputBias),
    mlpBias: has(biases.mlpBias),
    headNorms,
  };
}

/** Refuses weights that are codes. */
function checkQuantization({ quantization_config: config }: JsonObject, path: string): void {
  if (config === undefined || config === null) return;
  const method = isJsonObject(config) ? config.quant_method : config;
  throw new UserError(
    `${path}: quantization_config names the method ${
      JSON.stringify(method)
    }; supported are weights in float32, float16 or bfloat16, without one`,
  );
}

/** Refuses attention that leaves out tokens within the model's context. */
function checkWindows(
  json: JsonObject,
  path: string,
  { windowed }: Architecture,
  layers: number,
  positions: number,
): void {
  const types = json.layer_types ?? undefined;
  const other = Array.isArray(types) ? types.find((type) => type !== "full_attention") : types;
  if (other !== undefined) {
    throw new UserError(
      `${path}: layer_types must all be "full_attention", not ${JSON.stringify(other)}`,
    );
  }
  const field = new ConfigFields(json, path);
  if (windowed === "upper layers") {
    const asked = field.oneOf("use_sliding_window", [true, false], false);
    if (!asked || types !== undefined || field.notNegative("max_window_layers") >= layers) return;
  }
  const { sliding_window: window } = json;
  if (window === undefined || window === null || field.size("sliding_window") >= positions) return;
  throw field.wrong("sliding_window", window, `null, or no less than the context of ${positions}`);
}
