/**
 * Which texts of a calibration set a model is run on.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import type { CalibrationText } from "./calibration_set.ts";
import type { SampleTokens } from "./sensitivity.ts";

/** Tokens that are learned from when nobody says otherwise: more than the embedded set has. */
export const DEFAULT_CALIBRATION_TOKENS = 32_768;

/** Samples that were chosen, and how many there were. */
export interface ChosenTexts<S> {
  readonly samples: readonly S[];
  /** Texts that were passed over, since the model has no positions for them. */
  readonly tooLong: number;
  /** Whether the limit left texts out that the model has positions for. */
  readonly isCut: boolean;
}

/**
 * Takes one text of each kind in turn, in the order of the file, until the limit is reached; one that
 * does not fit any more is passed over. Texts behind the limit are not read.
 *
 * @param sampleOf tokens of a text
 * @param most tokens in all
 * @param positions of the model
 * @throws {UserError} when the limit leaves nothing
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { chooseTexts } from "./chosen_texts.ts";
 *
 * const texts = ["a0", "a1", "a2", "b0"].map((id) => ({ id, kind: id[0]!, target: id }));
 * const sampleOf = ({ target }: { target: string }) => ({ ids: [...target].map(() => 1), reply: 1 });
 * // Two tokens each: one of either kind, then the next of the first.
 * assertEquals(chooseTexts(texts, sampleOf, 6, 100).samples.length, 3);
 * ```
 */
export function chooseTexts<S extends SampleTokens>(
  texts: readonly CalibrationText[],
  sampleOf: (text: CalibrationText) => S,
  most: number,
  positions: number,
): ChosenTexts<S> {
  const kinds = [...Map.groupBy(texts, ({ kind }) => kind).values()];
  const longest = Math.max(...kinds.map((kind) => kind.length));
  const turns = Array.from({ length: longest }, (_, turn) => turn)
    .flatMap((turn) => kinds.flatMap((kind) => kind[turn] ?? []));
  const samples: S[] = [];
  let [tokens, tooLong, passed] = [0, 0, 0];
  let least = Infinity;
  for (const [i, text] of turns.entries()) {
    // One of the next kinds may be shorter; that all of them are passed over means that it is full.
    if (tokens === most || passed > kinds.length) {
      return { samples, tooLong, isCut: i < turns.length };
    }
    const sample = sampleOf(text);
    const { length } = sample.ids;
    if (length === 0 || length > positions) {
      tooLong += Number(length > 0);
    } else if (tokens + length > most) {
      least = Math.min(least, length);
      passed++;
    } else {
      samples.push(sample);
      tokens += length;
      passed = 0;
    }
  }
  if (samples.length === 0 && least < Infinity) {
    throw new UserError(
      `No calibration text fits into ${most} tokens; the shortest that was looked at has ${least}`,
    );
  }
  return { samples, tooLong, isCut: least < Infinity };
}
