/**
 * The calibration samples as a search replays them: the prompt, and the reply that was to be given.
 * Scored examples are never looked at.
 *
 * @module
 */
import type { CalibrationText } from "../calibration/calibration_set.ts";
import type { Model } from "../engine/checkpoint/model.ts";

/** One sample in tokens. */
export interface SearchSample {
  readonly id: string;
  /** Rendered prompt, less the tokens at its end that are predicted too. */
  readonly prompt: readonly number[];
  /** What is predicted, step by step: the end of the prompt, the reply and its end token. */
  readonly target: readonly number[];
}

/**
 * Tokens at the end of a sample that are predicted at least. A model is sure of most of a short
 * reply, so that one token on the edge would decide its mean; the end of the prompt steadies it.
 */
export const LEAST_TARGET = 64;

/** Tokens of every sample that the model has positions for. */
export function searchSamples(
  model: Pick<Model, "tokenizer" | "renderChat" | "eosIds" | "shape">,
  texts: readonly CalibrationText[],
): SearchSample[] {
  return texts.map(({ id, prompt, target }) => {
    const turn = prompt === undefined
      ? model.tokenizer.opening
      : model.renderChat([{ role: "user", content: prompt }]);
    const ids = [...model.tokenizer.encode(turn + target), model.eosIds[0]!];
    const least = ids.length - LEAST_TARGET;
    // Of a text that no prompt precedes the end is predicted.
    const reply = prompt === undefined ? least : model.tokenizer.encode(turn).length;
    const known = Math.max(1, Math.min(reply, least));
    return { id, prompt: ids.slice(0, known), target: ids.slice(known) };
  }).filter(({ prompt, target }) => prompt.length + target.length <= model.shape.maxPositions);
}

/** Samples to find plans on, and others to judge them on. */
export interface SampleSplit {
  readonly samples: readonly SearchSample[];
  readonly heldOut: readonly SearchSample[];
}

/**
 * Splits samples so that both sides have short and long ones of every group. Of each group in turn
 * the shortest is taken, then the third, the fifth, ..., and then those between them; the first
 * `count` are to find plans on. Samples of one group have names that differ in a number at the end.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { splitSamples } from "./samples.ts";
 *
 * const sample = (id: string, tokens: number) => ({
 *   id,
 *   prompt: new Array(tokens).fill(1),
 *   target: [2],
 * });
 * const all = [sample("qa-0", 9), sample("qa-1", 5), sample("qa-2", 20), sample("sum-0", 30)];
 * const { samples, heldOut } = splitSamples(all, 3);
 * assertEquals(samples.map(({ id }) => id), ["qa-1", "sum-0", "qa-2"]);
 * assertEquals(heldOut.map(({ id }) => id), ["qa-0"]);
 * ```
 */
export function splitSamples(samples: readonly SearchSample[], count: number): SampleSplit {
  const length = ({ prompt, target }: SearchSample) => prompt.length + target.length;
  const groups = Map.groupBy(
    samples.toSorted((a, b) => length(a) - length(b)),
    ({ id }) => id.replace(/\d+$/, ""),
  );
  const ranked = [...groups.values()].flatMap((group) =>
    group.map((sample, rank) => ({ sample, rank }))
  ).toSorted((a, b) =>
    a.rank % 2 - b.rank % 2 || a.rank - b.rank || length(a.sample) - length(b.sample)
  ).map(({ sample }) => sample);
  return { samples: ranked.slice(0, count), heldOut: ranked.slice(count) };
}
