/**
 * The embedded calibration set: a few prompts with their replies, from the generator of the slices
 * with another seed, never scored.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import text from "./calibration.jsonl" with { type: "text" };

/** One calibration sample. */
export interface CalibrationText {
  readonly id: string;
  /** Dataset whose template the prompt was rendered with. */
  readonly dataset: string;
  /** The user's turn, rendered. */
  readonly prompt: string;
  /** The assistant's turn, without its end token. */
  readonly target: string;
}

/** SHA-256 of calibration.jsonl. */
export const CALIBRATION_SHA256 =
  "79a5b584e4c512fd8c14790c586cb31031d0a068ff045a7f8a22a058168944d2";

/**
 * Reads the set.
 *
 * @throws {UserError} when the file is not the one this version was made with
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadCalibrationSet } from "./calibration_set.ts";
 *
 * const samples = await loadCalibrationSet();
 * assertEquals(samples.length, 12);
 * assertEquals(samples[0]?.id, "calibration-longbench-0");
 * ```
 */
export async function loadCalibrationSet(): Promise<CalibrationText[]> {
  const bytes = new TextEncoder().encode(text);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  if (hash !== CALIBRATION_SHA256) {
    throw new UserError(
      `The calibration set has the SHA-256 ${hash}; expected ${CALIBRATION_SHA256}: restore the file`,
    );
  }
  return text.trimEnd().split("\n").map((line) => {
    const { _id, dataset, prompt, target } = JSON.parse(line);
    return { id: _id, dataset, prompt, target };
  });
}
