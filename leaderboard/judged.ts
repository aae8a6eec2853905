/**
 * What the policies of a leaderboard are replayed on: a slice, or a text in windows.
 *
 * @module
 */
import { loadSlice, type SliceName, slices } from "../benchmarks/slices.ts";
import { sha256 } from "../engine/digest.ts";
import { type Lab, partsOf, type ReplayOptions } from "../evaluation/lab.ts";
import type { SliceResult } from "../evaluation/results.ts";
import { textWindows } from "../evaluation/text_windows.ts";
import type { PolicyChoice } from "../evaluation/policy_choice.ts";

/** One thing to replay on. */
export interface Judged {
  /** Name in cells and tables. */
  readonly name: string;
  /** Longest answer, or the span of scored positions of a window, in tokens. */
  readonly maxNewTokens: number;
  /** SHA-256 of everything that is read. */
  hash(): Promise<string>;
  /** How many examples there are on this model. */
  examples(lab: Lab): Promise<number>;
  replay(lab: Lab, policy: PolicyChoice, options: ReplayOptions): Promise<SliceResult>;
}

/** An embedded slice. */
export function judgedSlice(name: SliceName): Judged {
  const { maxNewTokens, sha256 } = slices[name];
  return {
    name,
    maxNewTokens,
    hash: () => Promise.resolve(sha256),
    examples: async () => (await loadSlice(name)).length,
    replay: (lab, policy, options) => lab.replay(name, [policy], options),
  };
}

/**
 * How texts are read: windows as long as a prompt, of which the end is scored, sparsely, so that a few
 * dozen predictions come from several places.
 */
const WINDOWS = { window: 1024, from: 768, every: 16 };

/** A text, read window by window. */
export function judgedText(name: string, text: string): Judged {
  return {
    name,
    maxNewTokens: WINDOWS.window - WINDOWS.from,
    hash: () => sha256(JSON.stringify([WINDOWS, text])),
    examples: (lab) =>
      Promise.resolve(
        textWindows(partsOf(lab).model.tokenizer.encode(text), WINDOWS).length,
      ),
    replay: (lab, policy, options) =>
      lab.perplexity(text, [policy], { ...options, ...WINDOWS, name }),
  };
}
