/**
 * Which tokens a codec's blocks hold, and when.
 *
 * @module
 */
import type { TokenRange } from "../quant/tensor.ts";
import { slidingWindow } from "../quant/windows.ts";
import type { BlockRule } from "./codec.ts";

/** A rule with everything said. */
export type FullRule = Required<BlockRule>;

/** What holds where a codec says nothing. */
export const DEFAULT_RULE: FullRule = { tokens: 1, window: 0, sink_tokens: 0 };

/**
 * Token positions that are coded in a snapshot of `n` tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { codedTokens } from "@kvreplay/kvreplay/codecs";
 *
 * // Like the values of KIVI, and like its keys.
 * assertEquals(codedTokens({ window: 32 }, 100), { from: 0, to: 68 });
 * assertEquals(codedTokens({ tokens: 32 }, 100), { from: 0, to: 96 });
 * ```
 */
export function codedTokens(rule: BlockRule, n: number): TokenRange {
  const { tokens, window, sink_tokens } = { ...DEFAULT_RULE, ...rule };
  const { from, to } = slidingWindow(n, window, sink_tokens);
  return { from, to: to - (to - from) % tokens };
}

/** Length of the first snapshot in which the token before `end` is coded. */
export function codedSince({ window }: FullRule, end: number): number {
  return end + window;
}
