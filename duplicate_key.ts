/**
 * Finding a key that occurs twice in one JSON object. `JSON.parse` keeps the last of them without a
 * word, so two readers of one file could see two different models.
 *
 * @module
 */

/**
 * The first key that some object of `json` holds twice, or undefined.
 *
 * @param json text that `JSON.parse` accepts
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { duplicateKey } from "./duplicate_key.ts";
 *
 * assertEquals(duplicateKey('{"a": {"b": 1}, "b": 2}'), undefined);
 * assertEquals(duplicateKey('{"a": 1, "\\u0061": 2}'), "a");
 * ```
 */
export function duplicateKey(json: string): string | undefined {
  /** Keys seen so far of every open object; undefined for an open array. */
  const open: (Set<string> | undefined)[] = [];
  let lastString = "";
  // Strings are the only tokens that can hide a bracket; everything else is skipped.
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === "{") open.push(new Set());
    else if (character === "[") open.push(undefined);
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = endOfString(json, at);
      lastString = json.slice(at, end + 1);
      at = end;
    } else if (character === ":") {
      const key = JSON.parse(lastString) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

/** Where the string that begins at `start` ends: at the first quote that nothing escapes. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1);; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}
