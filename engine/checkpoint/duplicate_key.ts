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
  // Strings are the only tokens that can hide a bracket; everything else is skipped.
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;
  /** Keys seen so far of every open object; undefined for an open array. */
  const open: (Set<string> | undefined)[] = [];
  let lastString = "";
  for (const [token] of json.matchAll(tokens)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token !== ":") lastString = token;
    else {
      const key = JSON.parse(lastString) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
