/**
 * The arithmetic of `kvquant`: from the ends of a range to codes and restored values.
 *
 * Hooper et al., "KVQuant: Towards 10 Million Context Length LLM Inference with KV Cache
 * Quantization", arXiv 2401.18079; SqueezeAILab/KVQuant, quant/kvquant/simquant_module_quantizer.py.
 *
 * @module
 */
import { calibrated } from "../../calibrated.ts";
import { type Codebook, codebook, normalFloatCodebook } from "../../numerics/codebook.ts";
import { roundEven } from "../../numerics/round_even.ts";
import { roundToHalf } from "../../packing/half.ts";
import type { KvquantSettings } from "./kvquant_settings.ts";

/** Largest finite half-precision value. */
const HALF_MAX = 65504;

/**
 * What the codes of a width stand for, in ranges normalised to [-1, 1] (`nuq`, `nf`) or [0, 2]
 * (`int`: twice the share of the range, so that the stored scale is half the range in every mode).
 */
export function bookOf(settings: KvquantSettings, bits: number): Codebook {
  if (settings.quantizer === "nf") return normalFloatCodebook(bits);
  if (settings.quantizer === "int") {
    const top = 2 ** bits - 1;
    return codebook(bits, Float32Array.from({ length: top + 1 }, (_, code) => 2 * code / top));
  }
  const entries = calibrated(settings, `codebook${bits}`, Float32Array, 2 ** bits);
  if (!settings.qNorm) return codebook(bits, entries);
  const [scale, offset] = calibrated(settings, `norm${bits}`, Float32Array, 2);
  return codebook(bits, entries, entries.map((v) => Math.fround(v * scale!) + offset!));
}

/** Scale and zero point of a token whose unmasked entries reach from `low` to `high`. */
export interface TokenRule {
  /** Half the range; 0 when all entries are equal. */
  readonly scale: number;
  readonly zero: number;
}

/** The rule of a token, in float32 and not yet rounded for storage. */
export function tokenRule(
  settings: KvquantSettings,
  bits: number,
  low: number,
  high: number,
): TokenRule {
  const scale = Math.fround((high - low) / 2);
  if (settings.quantizer !== "int") return { scale, zero: Math.fround((high + low) / 2) };
  if (scale === 0 || !settings.roundZero) return { scale, zero: low };
  const top = 2 ** bits - 1;
  const perUnit = Math.fround(top * Math.fround(1 / Math.fround(high - low)));
  const whole = Math.min(0, Math.max(-top, roundEven(Math.fround(low * perUnit))));
  return { scale, zero: Math.fround(whole / perUnit) };
}

/** How every channel is coded under calibrated thresholds; indices run over heads and channels. */
export interface ChannelRule {
  /** Entries outside are outliers. */
  readonly lower: Float32Array<ArrayBuffer>;
  readonly upper: Float32Array<ArrayBuffer>;
  /**
   * An entry `x` is coded by `x * factor - offset`, rounded (`int`), or by
   * `(x - offset) * factor`, looked up (`nuq`, `nf`). Factor 0: every code restores the same value.
   */
  readonly factor: Float32Array<ArrayBuffer>;
  readonly offset: Float32Array<ArrayBuffer>;
}

/** The rule of every channel; ranges and offsets are in half precision, as the official code is. */
export function channelRule(settings: KvquantSettings, headDim: number): ChannelRule {
  const { bits, quantizer } = settings;
  const channels = bits.length * headDim;
  const upper = Float32Array.from(calibrated(settings, "upper", Float16Array, channels));
  const lower = Float32Array.from(calibrated(settings, "lower", Float16Array, channels));
  const factor = new Float32Array(channels);
  const offset = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    const [u, l] = [upper[channel]!, lower[channel]!];
    if (quantizer === "int") {
      const top = 2 ** bits[Math.floor(channel / headDim)]! - 1;
      const range = roundToHalf(u - l);
      const inverse = 1 / range;
      // Where the official half-precision quotient overflows, the range is as good as empty.
      if (range === 0 || top * inverse > HALF_MAX) continue;
      factor[channel] = roundToHalf(top * roundToHalf(inverse));
      const given = roundToHalf(l * factor[channel]!);
      offset[channel] = settings.roundZero ? Math.min(0, Math.max(-top, roundEven(given))) : given;
    } else {
      const half = roundToHalf(roundToHalf(u - l) / 2);
      offset[channel] = roundToHalf(roundToHalf(u + l) / 2);
      factor[channel] = half === 0 ? 0 : 1 / half;
    }
  }
  return { lower, upper, factor, offset };
}

/**
 * What the codes of a row of heads restore to: `table[channel * 2^bits + code]`, channels counted
 * from the row's first head.
 */
export function channelTable(
  settings: KvquantSettings,
  rule: ChannelRule,
  book: Codebook,
  firstChannel: number,
  channels: number,
): Float32Array<ArrayBuffer> {
  const { quantizer, outliersRatio } = settings;
  const codes = book.values.length;
  const table = new Float32Array(channels * codes);
  for (let i = 0; i < channels; i++) {
    const channel = firstChannel + i;
    const [u, l] = [rule.upper[channel]!, rule.lower[channel]!];
    const half = roundToHalf(roundToHalf(u - l) / 2);
    const mid = rule.offset[channel]!;
    for (let code = 0; code < codes; code++) {
      let value: number;
      if (quantizer === "int") {
        // The official code restores 0 to a constant channel; its lower end is what was there.
        value = rule.factor[channel] === 0 ? l : (code + mid) / rule.factor[channel]!;
      } else if (quantizer === "nf") {
        // Half-precision entries times half-precision ranges stay in half precision, and so does
        // the sum unless float32 outliers were added before it.
        const product = roundToHalf(book.values[code]! * half);
        value = outliersRatio > 0 ? product + mid : roundToHalf(product + mid);
      } else {
        value = Math.fround(book.values[code]! * half) + mid;
      }
      table[i * codes + code] = value;
    }
  }
  return table;
}
