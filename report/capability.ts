/**
 * Whether the task scores of a slice can say anything about a policy.
 *
 * @module
 */
import type { SliceResult } from "../evaluation/results.ts";

/** What is known of a slice's task scores. */
export interface Capability {
  /** Replies of the reference, and how many of them nothing ended. */
  readonly replies: number;
  readonly cut: number;
  /** Mean score of the reference, 0..100. */
  readonly score: number;
  /** Score up to which it says nothing: that of guessing. */
  readonly floor: number;
}

/**
 * Looks at the reference's replies; undefined where there are none.
 *
 * @param floor score of guessing, 0..100
 */
export function capabilityOf({ results }: SliceResult, floor: number): Capability | undefined {
  const [first] = results;
  // A text has no replies.
  if (first === undefined || first.outcomes.some(({ nll }) => nll !== undefined)) return undefined;
  return {
    replies: first.outcomes.length,
    cut: first.outcomes.filter(({ referenceCut }) => referenceCut).length,
    score: first.numbers.task_score_ref,
    floor,
  };
}

/** Whether the reference does better than guessing. */
export function canJudge({ score, floor }: Pick<Capability, "score" | "floor">): boolean {
  return score > floor;
}

/** What a reader of task scores must know, a sentence each. */
export function* capabilityRemarks(
  slice: string,
  capability: Capability,
  maxNewTokens: number,
): Generator<string> {
  const { replies, cut, score, floor } = capability;
  if (cut > 0) {
    yield `Slice ${slice}: ${cut} of ${replies} replies in full precision were cut at ` +
      `${maxNewTokens} tokens (--max-new-tokens)`;
  }
  if (!canJudge(capability)) {
    yield `Slice ${slice}: full precision scores ${score.toFixed(1)}, which is no more than the ` +
      `${floor} of guessing, so that task scores cannot judge a policy`;
  }
}
