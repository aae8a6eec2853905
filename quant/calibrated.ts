/**
 * Reading what a family learned offline out of its settings.
 *
 * @module
 */
import type { CalibrationArray } from "./calibration.ts";
import type { Settings } from "./family.ts";
import { QuantizerError } from "./quantizer_error.ts";

/**
 * The array `name` of a settings' calibration.
 *
 * @throws {QuantizerError} when there is none, or it has another length than `length`
 */
export function calibrated<A extends CalibrationArray>(
  settings: Settings,
  name: string,
  type: { new (length: number): A },
  length: number,
): A {
  const array = settings.calibration?.[name];
  const place = `Layer ${settings.layer} ${settings.kind}s`;
  if (array === undefined) {
    throw new QuantizerError(
      `${place}: family "${settings.family}" was not given the calibrated ${name}; ` +
        `run with the calibration set, or load a calibration of these settings`,
    );
  }
  if (!(array instanceof type) || array.length !== length) {
    throw new QuantizerError(
      `${place}: the calibrated ${name} of family "${settings.family}" has ${array.length} ` +
        `entries; these settings need ${length}`,
    );
  }
  return array;
}
