/**
 * What every command that learns offline is told to learn from.
 *
 * @module
 */
import type { OptionValues } from "./option_values.ts";

/** Right values of the options, for messages. */
export const CALIBRATION_DATA_EXAMPLES = {
  "calibration-data": "texts.jsonl",
  "calibration-tokens": "16384",
} as const;

/** What the options say. */
export interface CalibrationDataOptions {
  /** Texts of the user's to learn from. */
  readonly calibrationData?: string;
  /** Tokens to learn from at most. */
  readonly calibrationTokens?: number;
}

/** The values of the options, absent where they were not given. */
export function calibrationDataOf(
  values: OptionValues<keyof typeof CALIBRATION_DATA_EXAMPLES>,
): CalibrationDataOptions {
  const calibrationData = values.text("calibration-data");
  const calibrationTokens = values.integer("calibration-tokens", 1);
  return {
    ...(calibrationData === undefined ? {} : { calibrationData }),
    ...(calibrationTokens === undefined ? {} : { calibrationTokens }),
  };
}

/** The same of options that hold more, for a lab. */
export function calibrationData(
  { calibrationData, calibrationTokens }: CalibrationDataOptions,
): CalibrationDataOptions {
  return {
    ...(calibrationData === undefined ? {} : { calibrationData }),
    ...(calibrationTokens === undefined ? {} : { calibrationTokens }),
  };
}
