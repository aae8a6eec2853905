/**
 * What the family `skvq` resolves a policy's answers to.
 *
 * @module
 */
import type { AffineSettings } from "../../stores/affine/affine_settings.ts";

/** Settings of one layer and kind under `skvq`. */
export interface SkvqSettings extends AffineSettings {
  /** Groups are clusters of channels that calibration found alike, of unequal sizes. */
  readonly reorder: boolean;
  /** Groups of a token under `reorder` or `smoothing`. */
  readonly groups: number;
  /** Channels are multiplied by calibrated factors before they are quantized, and divided after. */
  readonly smoothing: boolean;
  /** Quantize keys before RoPE and rotate what is restored. */
  readonly preRope: boolean;
}

/** The family's options. */
export interface SkvqOptions {
  /** Stores scales and zero points as e4m3fn, saturating at ±448. */
  readonly fp8_params: boolean;
  /** Groups channels that calibration found alike. */
  readonly reorder: boolean;
  /** Evens channels out by calibrated factors. */
  readonly smoothing: boolean;
  /** Quantizes keys before RoPE. */
  readonly pre_rope: boolean;
}

/** How the channels of all heads of a token are arranged before they are grouped. */
export interface ChannelOrder {
  /** Channel at each place, counted over the heads. */
  readonly order: Int32Array;
  /** First place of every group, and behind the last one the number of channels. */
  readonly starts: Int32Array;
  /** Factor of each channel. */
  readonly factors: Float32Array;
}
