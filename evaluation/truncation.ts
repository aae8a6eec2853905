/**
 * Messages that are too long for a model, without their middle, as LongBench cuts them
 * (THUDM/LongBench, LongBench/pred.py, `get_pred`): the tokens at both ends are turned into text again,
 * and that text is what is asked.
 *
 * @module
 */
import type { TextTokenizer } from "../engine/checkpoint/tokenizer.ts";

/**
 * Tokens of a message in its turn; where they are more than there is room for, of its two ends.
 *
 * @param turn what the model is prompted with, from a message
 * @param most tokens of the message alone, where its user wants fewer than there is room for
 * @param room tokens of the whole prompt
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { withoutMiddle } from "./truncation.ts";
 *
 * const codes = {
 *   encode: (text: string) => Array.from(text, (char) => char.codePointAt(0)!),
 *   decode: (ids: readonly number[]) => String.fromCodePoint(...ids),
 * };
 * const ids = withoutMiddle(codes, "abcdefgh", (text) => `<${text}>`, Infinity, 6);
 * assertEquals(codes.decode(ids), "<abgh>");
 * ```
 */
export function withoutMiddle(
  tokenizer: Pick<TextTokenizer, "encode" | "decode">,
  text: string,
  turn: (text: string) => string,
  most: number,
  room: number,
): number[] {
  const message = tokenizer.encode(text);
  const whole = tokenizer.encode(turn(text));
  if (message.length <= most && whole.length <= room) return whole;
  let left = Math.min(most, message.length - Math.max(whole.length - room, 0));
  for (;;) {
    const half = Math.max(Math.floor(left / 2), 0);
    const ends = half === 0
      ? ""
      : tokenizer.decode(message.slice(0, half)) + tokenizer.decode(message.slice(-half));
    const ids = tokenizer.encode(turn(ends));
    // Two ends that are joined may be more tokens than they were.
    if (ids.length <= room || half === 0) return ids;
    left = 2 * half - Math.max(ids.length - room, 1);
  }
}
