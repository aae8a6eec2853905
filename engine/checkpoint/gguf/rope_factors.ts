/**
 * The frequency factors that GGUF files of Llama 3.1 and later have in place of the parameters they
 * were worked out from.
 *
 * @module
 */
import type { JsonObject } from "../json_file.ts";

/** What all models with such factors were made with (meta-llama/Llama-3.1-8B, config.json). */
const LOW = 1;
const HIGH = 4;

/** Positions that those models were trained on before they were scaled. */
const TRAINED = 8192;

/** Largest relative difference: the file's factors were rounded to float32. */
const TOLERANCE = 1e-5;

/**
 * The parameters that give these factors, in the form of `rope_scaling`; undefined when there are
 * none with the usual bounds.
 *
 * @param factors one for each pair of a head: what its frequency is divided by
 * @param headDim width of a head
 * @param theta rotary base
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { scalingOfFactors } from "./rope_factors.ts";
 *
 * // Waves of 6, 140, 3142 and 70248 positions.
 * const scaling = scalingOfFactors([1, 1, 1.683837, 8], 8, 250000);
 * assertEquals(scaling?.original_max_position_embeddings, 8192);
 * assertEquals(scalingOfFactors([1, 1, 4, 6], 8, 250000), undefined);
 * ```
 */
export function scalingOfFactors(
  factors: readonly number[],
  headDim: number,
  theta: number,
): JsonObject | undefined {
  const factor = Math.max(...factors);
  const waves = factors.map((_, i) => 2 * Math.PI * theta ** (2 * i / headDim));
  // Between the bounds, the share that is left unscaled tells how many turns the training had.
  const between = factors.findIndex((f) => f > 1 && f < factor);
  const trained = between < 0
    ? TRAINED
    : Math.round((LOW + (HIGH - LOW) * unscaled(factors[between]!, factor)) * waves[between]!);
  const fits = factors.every((f, i) => {
    const share = Math.min(Math.max((trained / waves[i]! - LOW) / (HIGH - LOW), 0), 1);
    return Math.abs(1 / ((1 - share) / factor + share) - f) <= TOLERANCE * f;
  });
  return fits
    ? {
      rope_type: "llama3",
      factor,
      low_freq_factor: LOW,
      high_freq_factor: HIGH,
      original_max_position_embeddings: trained,
    }
    : undefined;
}

/** The share `s` with `1 / f = (1 - s) / factor + s`. */
function unscaled(f: number, factor: number): number {
  return (1 / f - 1 / factor) / (1 - 1 / factor);
}
