/**
 * Rotary positions as a `config.json` describes them (huggingface/transformers,
 * `modeling_rope_utils.py`).
 *
 * @module
 */
import type { RotaryPositions } from "../../quant/rotary_positions.ts";
import { ConfigFields } from "./config_fields.ts";
import { UserError } from "../../errors.ts";
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

/** What a type makes of them. */
interface Rope extends Pick<RotaryPositions, "stretch">, Partial<Pick<RotaryPositions, "scale">> {
  /** Positions that there is room for now. */
  readonly positions?: number;
}

/** Values of `rope_type`: how much slower each pair turns, and what else there is to it. */
const ropeTypes = {
  default: (_, base) => ({ stretch: everyPair(base, () => 1) }),
  linear: (fields, base) => {
    const factor = fields.positive("factor");
    return { stretch: everyPair(base, () => factor) };
  },
  llama3,
  yarn,
} as const satisfies Record<string, (fields: ConfigFields, base: RopeBase) => Rope>;

/**
 * Reads `rope_parameters`, or as older files have it `rope_scaling` and `rope_theta`.
 *
 * @param path of the configuration, for errors
 * @returns the rotary positions, and how many of them the model has
 * @throws {UserError} for a type that is not supported, or a parameter that is missing or wrong
 */
export function readRope(
  json: JsonObject,
  path: string,
  { headDim, maxPositions }: Pick<RopeBase, "headDim" | "maxPositions">,
): { rotary: RotaryPositions; positions: number } {
  const name = isGiven(json.rope_scaling) ? "rope_scaling" : "rope_parameters";
  const given = json[name] ?? {};
  if (!isJsonObject(given)) throw new UserError(`${path}: ${name} must be an object or null`);
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
  const base = { headDim, theta, trained, maxPositions };
  const { stretch, scale = 1, positions = maxPositions }: Rope = ropeTypes[type](fields, base);
  return { rotary: { theta, stretch, scale }, positions };
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null &&
    !(isJsonObject(value) && Object.keys(value).length === 0);
}

/** One number for each pair of channels. */
function everyPair({ headDim }: RopeBase, of: (pair: number) => number): number[] {
  return Array.from({ length: headDim / 2 }, (_, i) => of(i));
}

/**
 * Llama 3.1: pairs that turn less than `low_freq_factor` times within the trained context are slowed
 * down, those that turn more than `high_freq_factor` times are not, and between them there is a
 * smooth way.
 */
function llama3(fields: ConfigFields, base: RopeBase): Rope {
  const factor = fields.positive("factor");
  const low = fields.positive("low_freq_factor");
  const high = fields.positive("high_freq_factor");
  if (high <= low) {
    throw fields.wrong("high_freq_factor", high, `more than low_freq_factor, ${low}`);
  }
  const stretch = everyPair(base, (i) => {
    const turns = base.trained * base.theta ** (-2 * i / base.headDim) / (2 * Math.PI);
    return blended(factor, (turns - low) / (high - low));
  });
  return { stretch };
}

/** YaRN (Peng et al., 2023, arXiv 2309.00071). */
function yarn(fields: ConfigFields, base: RopeBase): Rope {
  const { headDim, theta, trained, maxPositions } = base;
  const factor = fields.positive("factor", maxPositions / trained);
  const longer = (mscale: number) => factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
  const mscale = fields.notNegative("mscale", 0);
  const mscaleAllDim = fields.notNegative("mscale_all_dim", 0);
  const scale = fields.positive(
    "attention_factor",
    mscale > 0 && mscaleAllDim > 0 ? longer(mscale) / longer(mscaleAllDim) : longer(1),
  );
  // Which pair turns so many times within the trained context.
  const pairOf = (turns: number) =>
    headDim * Math.log(trained / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
  let first = pairOf(fields.notNegative("beta_fast", 0) || 32);
  let last = pairOf(fields.notNegative("beta_slow", 0) || 1);
  if (fields.oneOf("truncate", [true, false], true)) {
    [first, last] = [Math.floor(first), Math.ceil(last)];
  }
  first = Math.max(first, 0);
  last = Math.min(last, headDim - 1);
  const width = last === first ? 0.001 : last - first;
  return {
    stretch: everyPair(base, (i) => blended(factor, 1 - (i - first) / width)),
    scale,
    positions: Math.max(maxPositions, Math.floor(factor * trained)),
  };
}

/** Stretch of a pair whose speed is `share` of the plain one and otherwise of the stretched one. */
function blended(factor: number, share: number): number {
  const kept = Math.min(Math.max(share, 0), 1);
  return 1 / (kept + (1 - kept) / factor);
}
