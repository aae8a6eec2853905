/**
 * Rotary positions as a `config.json` describes them, scaled for contexts longer than the model was
 * trained on or not.
 *
 * All is computed and rounded in the order of huggingface/transformers, `modeling_rope_utils.py`,
 * where tensors are float32 and scalars float64.
 *
 * @module
 */
import type { RotaryPositions } from "../../quant/rotary_positions.ts";
import { plainRotary } from "../rotary.ts";
import { ConfigFields } from "./config_fields.ts";
import { ModelError } from "./error.ts";
import { isJsonObject, type JsonObject } from "./json_file.ts";

/** What every type starts from. */
interface RopeBase {
  readonly headDim: number;
  readonly theta: number;
  /** Positions that the model was trained on before it was scaled. */
  readonly trained: number;
  /** Positions that its configuration gives it. */
  readonly maxPositions: number;
}

/** Rotary positions, and how many of them there are, where the parameters say so. */
interface Rope {
  readonly rotary: RotaryPositions;
  readonly positions?: number;
}

const f32 = Math.fround;

/** Values of `rope_type`. */
const ropeTypes = {
  default: (_, { headDim, theta }) => ({ rotary: plainRotary(headDim, theta) }),
  linear: (fields, { headDim, theta }) => {
    const factor = fields.positive("factor");
    const { frequencies } = plainRotary(headDim, theta);
    return { rotary: { frequencies: frequencies.map((f) => f32(f / f32(factor))), scale: 1 } };
  },
  llama3,
  yarn,
} as const satisfies Record<string, (fields: ConfigFields, base: RopeBase) => Rope>;

/**
 * Reads `rope_parameters`, or as older files have it `rope_scaling` and `rope_theta`.
 *
 * @param path of the configuration, for errors
 * @returns the rotary positions, and how many of them the model has
 * @throws {ModelError} for a type that is not supported, or a parameter that is missing or wrong
 */
export function readRope(
  json: JsonObject,
  path: string,
  { headDim, maxPositions }: Pick<RopeBase, "headDim" | "maxPositions">,
): Required<Rope> {
  const name = isGiven(json.rope_scaling) ? "rope_scaling" : "rope_parameters";
  const given = json[name] ?? {};
  if (!isJsonObject(given)) throw new ModelError(`${path}: ${name} must be an object or null.`);
  const top = new ConfigFields(json, path);
  const fields = new ConfigFields(given, `${path}, ${name}`);
  for (const [key, value] of Object.entries(given)) {
    if (isJsonObject(value)) {
      throw fields.wrong(key, value, "one set of parameters for all layers");
    }
  }
  for (const each of [top, fields]) each.oneOf("partial_rotary_factor", [1], 1);
  const types = Object.keys(ropeTypes) as (keyof typeof ropeTypes)[];
  const type = fields.oneOf("rope_type" in given ? "rope_type" : "type", types, "default");
  const theta = fields.positive("rope_theta", top.positive("rope_theta", 10000));
  const trained = top.size(
    "original_max_position_embeddings",
    fields.size("original_max_position_embeddings", maxPositions),
  );
  const { rotary, positions = maxPositions }: Rope = ropeTypes[type](fields, {
    headDim,
    theta,
    trained,
    maxPositions,
  });
  return { rotary, positions };
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null &&
    !(isJsonObject(value) && Object.keys(value).length === 0);
}

/**
 * Llama 3.1: waves that are long beside the context of the training are stretched, short ones are
 * left, and between them there is a smooth way.
 */
function llama3(fields: ConfigFields, { headDim, theta, trained }: RopeBase): Rope {
  const factor = fields.positive("factor");
  const low = fields.positive("low_freq_factor");
  const high = fields.positive("high_freq_factor");
  if (high <= low) {
    throw fields.wrong("high_freq_factor", high, `more than low_freq_factor, ${low}`);
  }
  const frequencies = plainRotary(headDim, theta).frequencies.map((f) => {
    const wave = f32(f32(1 / f) * f32(2 * Math.PI));
    if (wave > f32(trained / low)) return f32(f / f32(factor));
    if (wave < f32(trained / high)) return f;
    const turns = f32(f32(1 / wave) * f32(trained));
    const smooth = f32(f32(turns - f32(low)) / f32(high - low));
    return f32(f32(f32(f32(1 - smooth) * f) / f32(factor)) + f32(smooth * f));
  });
  return { rotary: { frequencies, scale: 1 } };
}

/** YaRN (Peng et al., 2023, arXiv 2309.00071). */
function yarn(fields: ConfigFields, { headDim, theta, trained, maxPositions }: RopeBase): Rope {
  const factor = fields.positive("factor", maxPositions / trained);
  const longer = (mscale: number) => factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
  const mscale = fields.notNegative("mscale", 0);
  const mscaleAllDim = fields.notNegative("mscale_all_dim", 0);
  const scale = fields.positive(
    "attention_factor",
    mscale > 0 && mscaleAllDim > 0 ? longer(mscale) / longer(mscaleAllDim) : longer(1),
  );

  // Pairs that turn `turns` times within the trained context, as a place among the pairs.
  const pairOf = (turns: number) =>
    headDim * Math.log(trained / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
  const whole = fields.oneOf("truncate", [true, false], true);
  const [from, to] = [
    pairOf(fields.notNegative("beta_fast", 0) || 32),
    pairOf(fields.notNegative("beta_slow", 0) || 1),
  ];
  const first = Math.max(whole ? Math.floor(from) : from, 0);
  let last = Math.min(whole ? Math.ceil(to) : to, headDim - 1);
  if (last === first) last += 0.001;
  const frequencies = Array.from({ length: headDim / 2 }, (_, i) => {
    const wave = f32(theta ** f32(2 * i / headDim));
    const left = f32(1 / wave);
    const stretched = f32(1 / f32(f32(factor) * wave));
    const ramp = Math.min(Math.max(f32(f32(i - f32(first)) / f32(last - first)), 0), 1);
    const share = f32(1 - ramp);
    return f32(f32(stretched * f32(1 - share)) + f32(left * share));
  });
  const positions = Math.max(maxPositions, Math.floor(factor * trained));
  return { rotary: { frequencies, scale: f32(scale) }, positions };
}
