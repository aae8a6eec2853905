/**
 * What stands behind the numbers of the contract, where a run has it: other scores, what was decoded
 * from the policy's own cache, and how well a text is predicted.
 *
 * @module
 */
import type { NamedOutcome } from "../evaluation/results.ts";
import { otherScores } from "./task_scores.ts";

/** More numbers by their names, in the order of a line. */
export type MoreFields = Readonly<Record<string, number>>;

/** All of them. */
export function moreFields(outcomes: readonly NamedOutcome[]): MoreFields {
  return {
    ...cutFields(outcomes),
    ...scoreFields(outcomes),
    ...generatedFields(outcomes),
    ...textFields(outcomes),
  };
}

/** How many replies nothing ended. */
function cutFields(outcomes: readonly NamedOutcome[]): MoreFields {
  if (outcomes.some(({ nll }) => nll !== undefined)) return {};
  return {
    replies_cut: outcomes.filter(({ cut }) => cut).length,
    replies_cut_ref: outcomes.filter(({ referenceCut }) => referenceCut).length,
  };
}

function scoreFields(outcomes: readonly NamedOutcome[]): MoreFields {
  return Object.fromEntries(
    otherScores(outcomes).flatMap(({ name, score, reference }) => [
      [`task_score_${name}`, score],
      [`task_score_ref_${name}`, reference],
    ]),
  );
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Of replies that were decoded from the policy's own cache. */
function generatedFields(outcomes: readonly NamedOutcome[]): MoreFields {
  const replies = outcomes.flatMap(({ generated }) => generated ?? []);
  if (replies.length === 0) return {};
  return {
    generated_task_score: 100 * mean(replies.map(({ score }) => score)),
    // The length of the reference's reply, where none is another.
    generated_same_tokens: mean(replies.map((r) => r.divergence ?? r.tokens.length)),
    generated_diverged: mean(replies.map(({ divergence }) => Number(divergence !== null))),
    generated_invalid: mean(replies.map(({ valid }) => Number(!valid))),
    generated_invalid_ref: mean(replies.map(({ referenceValid }) => Number(!referenceValid))),
    generated_cut: replies.filter(({ cut }) => cut).length,
  };
}

/** Of a text; every scored position counts the same. */
function textFields(outcomes: readonly NamedOutcome[]): MoreFields {
  const losses = outcomes.flatMap(({ nll = [] }) => nll);
  if (losses.length === 0) return {};
  const loss = mean(losses);
  const reference = mean(outcomes.flatMap(({ referenceNll = [] }) => referenceNll));
  return {
    mean_nll: loss,
    mean_nll_ref: reference,
    perplexity: Math.exp(loss),
    perplexity_ref: Math.exp(reference),
    mean_kl: mean(outcomes.flatMap(({ steps }) => steps.map(({ kl }) => kl))),
  };
}
