/**
 * What a family learns, and under which key: settings that learn the same share it.
 *
 * @module
 */
import type { Calibration, KeptSamples } from "./calibration.ts";
import type { Family, Settings } from "./family.ts";
import { QuantizerError } from "./quantizer_error.ts";
import { settingsKey } from "./settings_key.ts";

/**
 * Equal for settings under which a family learns the same of the same samples.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { skvq } from "./families/skvq/skvq.ts";
 * import { learnedKey } from "./learned.ts";
 * import { settingsFor } from "./settings_for.ts";
 *
 * const key = (residualLength: number) =>
 *   learnedKey(skvq, settingsFor(skvq, {
 *     layer: 0, kind: "value", bits: [2, 2], axis: "token", residualLength,
 *     calibrationMode: "offline", options: { reorder: true },
 *   }, { heads: 2, headDim: 64 }));
 * assertEquals(key(128), key(0));
 * ```
 */
export function learnedKey(family: Family, settings: Settings): string {
  if (family.learnsBy === undefined) return settingsKey(settings);
  const { layer, kind } = settings;
  return JSON.stringify({ layer, kind, ...family.learnsBy(settings) });
}

/** What a store under these settings is given of what was learned. */
export function fitted(family: Family, learned: Calibration, settings: Settings): Calibration {
  return family.fit?.(learned, settings) ?? learned;
}

/**
 * Learns what settings that say `calibrated` need.
 *
 * @throws {QuantizerError} when the family cannot learn
 */
export function learn(
  family: Family,
  samples: KeptSamples,
  settings: Settings,
): Calibration {
  if (family.calibrate === undefined) {
    throw new QuantizerError(`Family "${family.name}" has nothing to calibrate`);
  }
  return fitted(family, family.calibrate(samples, settings), settings);
}
