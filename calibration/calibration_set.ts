/**
 * The embedded calibration set: texts of several kinds, each a prompt with its reply. They were
 * written for this project, are never scored, and share nothing with what makes the slices.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import text from "./calibration.jsonl" with { type: "text" };

/** One calibration text. */
export interface CalibrationText {
  /** Name in messages. */
  readonly id: string;
  /** What kind of text it is: where not all are used, they are taken from each kind in turn. */
  readonly kind: string;
  /** The user's turn; absent for a text that goes to the model as it is. */
  readonly prompt?: string;
  /** The assistant's turn, without its end token; or the text. */
  readonly target: string;
}

/** A text of the embedded set. */
export type EmbeddedText = CalibrationText & { readonly prompt: string };

/** SHA-256 of calibration.jsonl. */
export const CALIBRATION_SHA256 =
  "eb762296f9041dca40c0a083f6c407d3395caff982995db910f13751be1b462f";

/**
 * Reads the embedded set.
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
 * assertEquals(samples[0]?.id, "calibration-prose-0");
 * ```
 */
export async function loadCalibrationSet(): Promise<EmbeddedText[]> {
  const bytes = new TextEncoder().encode(text);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  if (hash !== CALIBRATION_SHA256) {
    throw new UserError(
      `The calibration set has the SHA-256 ${hash}; expected ${CALIBRATION_SHA256}: restore the file`,
    );
  }
  return text.trimEnd().split("\n").map((line) => {
    const { _id, kind, prompt, target } = JSON.parse(line);
    return { id: _id, kind, prompt, target };
  });
}
