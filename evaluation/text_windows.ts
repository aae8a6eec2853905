/**
 * A long text in windows, for perplexity: each is read from its start, and scored from a position on,
 * so that every scored token has some context.
 *
 * @module
 */
import { BenchmarkError } from "../benchmarks/benchmark_error.ts";
import type { TextSpan } from "../replay/text_reference.ts";

/** How a text is cut and scored, in tokens. */
export interface WindowSizes {
  /** Tokens that a window feeds; one more is predicted. */
  readonly window: number;
  /** Position of the first one that is fed at a scored step, at least 1. */
  readonly from: number;
  /** Positions from one scored step to the next. */
  readonly every: number;
}

/**
 * The windows of a text; their scored parts follow one another. The last one may be shorter.
 *
 * @param ids the text
 * @throws {BenchmarkError} when it is too short for one scored token, or `from` is beyond the window
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { textWindows } from "./text_windows.ts";
 *
 * const ids = Array.from({ length: 12 }, (_, i) => i);
 * const windows = textWindows(ids, { window: 6, from: 2, every: 2 });
 * // Scored are the predictions after 2 and 4, after 6 and 8, and after 10.
 * assertEquals(windows.map(({ ids }) => [ids[0], ids.at(-1)]), [[0, 6], [4, 10], [8, 11]]);
 * ```
 */
export function textWindows(
  ids: readonly number[],
  { window, from, every }: WindowSizes,
): readonly TextSpan[] {
  if (from >= window) {
    throw new BenchmarkError(
      `The first scored position is ${from} in a window of ${window} tokens; expected one before its end`,
    );
  }
  const windows: TextSpan[] = [];
  for (let at = 0; at + from + 1 < ids.length; at += window - from) {
    windows.push({ ids: ids.slice(at, at + window + 1), from, every });
  }
  if (windows.length > 0) return windows;
  throw new BenchmarkError(
    `The text has ${ids.length} tokens; expected more than ${
      from + 1
    }, of which ${from} come before the first scored one`,
  );
}
