/**
 * Texts that cannot fit into a model, told before they are turned into tokens: that takes long for a
 * text without an end.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { ModelShape } from "../engine/engine.ts";

/**
 * Bytes of text that a position may hold. Tokens of English hold about 4; those of the longest runs of
 * blanks are the only ones above 16.
 */
export const BYTES_PER_POSITION = 16;

/**
 * Why the text of an example is too long for a model, whatever its tokens; undefined when it is not.
 *
 * @param maxNewTokens longest answer, in tokens
 * @param bytesPerPosition that it may have
 */
export function textRefusal(
  text: string,
  id: string,
  maxNewTokens: number,
  { maxPositions }: Pick<ModelShape, "maxPositions">,
  bytesPerPosition: number = BYTES_PER_POSITION,
): string | undefined {
  const positions = Math.max(maxPositions - maxNewTokens + 1, 0);
  if (positions === 0) {
    return `Example ${id} refused: answers of up to ${maxNewTokens} tokens (--max-new-tokens) ` +
      `leave none of the model's ${maxPositions} positions for a question`;
  }
  const bytes = Buffer.byteLength(text);
  if (bytes <= bytesPerPosition * positions) return undefined;
  return `Example ${id} refused: its text of ${bytes} bytes is longer than ${bytesPerPosition} ` +
    `(--text-bytes) for each of the ${positions} positions that the model has for it`;
}
