/**
 * What the policies of a leaderboard are replayed on: a slice, or a text in windows.
 *
 * @module
 */
import type { Example } from "../benchmarks/example.ts";
import { loadSlice, type SliceName, slices } from "../benchmarks/slices.ts";
import { sha256 } from "../engine/digest.ts";
import type { BenchmarkOrigin } from "../evaluation/benchmarks/benchmark_slices.ts";
import { type Lab, partsOf, type ReplayOptions } from "../evaluation/lab.ts";
import type { SliceResult } from "../evaluation/results.ts";
import type { PolicyChoice } from "../evaluation/policy_choice.ts";
import { textWindows, type WindowSizes } from "../evaluation/text_windows.ts";

/** How much there is to run, told without a model. */
export interface Extent {
  /** Tokens of each prompt, about. */
  readonly lengths: readonly number[];
  /** Predictions for each, about. */
  readonly steps: number;
}

/** One thing to replay on. */
export interface Judged {
  /** Name in cells and tables. */
  readonly name: string;
  /** Longest answer, or the span of scored positions of a window, in tokens. */
  readonly maxNewTokens: number;
  /** SHA-256 of everything that is read. */
  hash(): Promise<string>;
  /** Where rows and wording came from, of a benchmark that is not embedded. */
  readonly origin?: BenchmarkOrigin;
  /** Score of the reference, 0..100, up to which it says nothing; absent for 0. */
  readonly floor?: number;
  /** What the first `limit` examples, or as many as it takes instead, come to. */
  extent(limit: number | undefined): Promise<Extent>;
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
    extent: async (limit) => extentOfExamples(await loadSlice(name), maxNewTokens, limit),
    examples: async () => (await loadSlice(name)).length,
    replay: (lab, policy, options) => lab.replay(name, [policy], options),
  };
}

/** Examples in the fields of the embedded slices. */
export function extentOfExamples(
  examples: readonly Pick<Example, "context" | "input">[],
  maxNewTokens: number,
  limit: number | undefined,
): Extent {
  return {
    lengths: examples.slice(0, limit).map(({ context, input }) => tokensAbout(context + input)),
    steps: stepsAbout(maxNewTokens),
  };
}

/** Bytes of a prompt for each of its tokens. */
const BYTES_PER_TOKEN = 4;

/** Tokens of a text. */
export function tokensAbout(text: string): number {
  return new TextEncoder().encode(text).length / BYTES_PER_TOKEN;
}

/** Steps of a reply that may be so long. */
export function stepsAbout(maxNewTokens: number): number {
  return maxNewTokens / 2;
}

/**
 * How texts are read: windows as long as a prompt, of which the end is scored, sparsely, so that a few
 * dozen predictions come from several places.
 */
const WINDOWS = { window: 1024, from: 768, every: 16 };

/** A text, read window by window. */
export function judgedText(name: string, text: string, windows: WindowSizes = WINDOWS): Judged {
  const { window, from, every } = windows;
  return {
    name,
    maxNewTokens: window - from,
    hash: () => sha256(JSON.stringify([windows, text])),
    extent: (limit = Infinity) => {
      const count = Math.max(1, Math.floor((tokensAbout(text) - from) / (window - from)));
      return Promise.resolve({
        lengths: Array.from({ length: Math.min(limit, count) }, () => window),
        steps: Math.ceil((window - from) / every),
      });
    },
    examples: (lab) =>
      Promise.resolve(
        textWindows(partsOf(lab).model.tokenizer.encode(text), windows).length,
      ),
    replay: (lab, policy, options) =>
      lab.perplexity(text, [policy], { ...options, ...windows, name }),
  };
}
