/**
 * A failure in words: what is wrong, how the input came about, and the input itself.
 *
 * @module
 */
import type { Found } from "./fuzz.ts";

/** Longer inputs are described by their changes alone. */
const MOST_SHOWN = 16 * 1024;

/** What a person needs to see it again. */
export function shownFailure(name: string, { wrong, bytes, input }: Found): string {
  const how = JSON.stringify(
    input instanceof Uint8Array ? "bytes at random" : input,
    (_, value) => typeof value === "bigint" ? `0x${value.toString(16)}` : value,
  );
  const shown = bytes.length <= MOST_SHOWN ? bytes.toBase64() : "(long; see its changes)";
  return `${name}: ${wrong}\ninput: ${how}\n${bytes.length} bytes, base64: ${shown}`;
}
