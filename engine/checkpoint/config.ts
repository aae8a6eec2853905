/**
 * `config.json` of a Hugging Face folder: architecture sizes, and refusal of what the graph does not
 * compute.
 *
 * @module
 */
import type { ModelShape } from "../engine.ts";
import { UserError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "./json_file.ts";

/** Values of `model_type` that can be loaded. */
export const modelTypes = ["qwen2"] as const;

/** What the graph is built from. */
export interface ModelConfig {
  /** Architecture sizes. */
  readonly shape: ModelShape;
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
 * Reads the fields of a Qwen2 configuration; absent ones have the defaults of huggingface/transformers,
 * `models/qwen2/configuration_qwen2.py`.
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
  const field = new Fields(json, path);
  field.oneOf("model_type", modelTypes);
  const hidden = field.size("hidden_size");
  const queryHeads = field.size("num_attention_heads");
  const kvHeads = field.size("num_key_value_heads", queryHeads);
  if (queryHeads % kvHeads !== 0) {
    throw new UserError(
      `${path}: num_attention_heads (${queryHeads}) must be a multiple of num_key_value_heads (${kvHeads})`,
    );
  }
  const headDim = field.size("head_dim", hidden / queryHeads);
  if (headDim % 2 !== 0) {
    throw new UserError(`${path}: head_dim must be even, not ${headDim}`);
  }
  field.oneOf("hidden_act", ["silu"], "silu");
  field.oneOf("use_sliding_window", [false], false);
  checkLayerTypes(json, path);
  return {
    shape: {
      layers: field.size("num_hidden_layers"),
      hidden,
      queryHeads,
      kvHeads,
      headDim,
      vocab: field.size("vocab_size"),
      maxPositions: field.size("max_position_embeddings", 32768),
      ropeTheta: ropeTheta(json, path),
    },
    intermediate: field.size("intermediate_size"),
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

/** Rotary base. Newer configurations keep it in `rope_parameters`, older ones at the top. */
function ropeTheta(json: JsonObject, path: string): number {
  const top = new Fields(json, path).positive("rope_theta", 10000);
  for (const name of ["rope_parameters", "rope_scaling"]) {
    const rope = json[name];
    if (rope === undefined || rope === null) continue;
    if (!isJsonObject(rope)) throw new UserError(`${path}: ${name} must be an object or null`);
    const inside = new Fields(rope, `${path}, ${name}`);
    for (const type of ["rope_type", "type"]) inside.oneOf(type, ["default"], "default");
    if ("rope_theta" in rope) return inside.positive("rope_theta");
  }
  return top;
}

function checkLayerTypes(json: JsonObject, path: string): void {
  const types = json.layer_types ?? [];
  const other = Array.isArray(types) ? types.find((type) => type !== "full_attention") : types;
  if (other !== undefined) {
    throw new UserError(
      `${path}: layer_types must all be "full_attention", not ${JSON.stringify(other)}`,
    );
  }
}

/** Typed access to the fields of one object. */
class Fields {
  constructor(private readonly json: JsonObject, private readonly path: string) {}

  /** A positive integer. */
  size(name: string, fallback?: number): number {
    const value = this.#get(name, fallback);
    if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
    throw this.#wrong(name, value, "a positive integer");
  }

  /** A positive finite number. */
  positive(name: string, fallback?: number): number {
    const value = this.#get(name, fallback);
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    throw this.#wrong(name, value, "a positive number");
  }

  /** One of the given values. */
  oneOf<const V>(name: string, allowed: readonly V[], fallback?: V): V {
    const value = this.#get(name, fallback);
    if ((allowed as readonly unknown[]).includes(value)) return value as V;
    throw this.#wrong(name, value, allowed.map((v) => JSON.stringify(v)).join(" or "));
  }

  #get(name: string, fallback: unknown): unknown {
    const value = this.json[name] ?? fallback;
    if (value === undefined) throw new UserError(`${this.path} lacks the field "${name}"`);
    return value;
  }

  #wrong(name: string, value: unknown, wanted: string): UserError {
    return new UserError(
      `${this.path}: ${name} is ${JSON.stringify(value)}; supported is ${wanted}`,
    );
  }
}
