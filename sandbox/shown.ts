/**
 * Values of a policy, as a sentence may quote them.
 *
 * @module
 */

/** A value as it should appear in a message: short and on one line. */
export function shown(value: unknown): string {
  if (typeof value === "string") return shownText(value);
  if (typeof value === "number" || typeof value === "boolean" || value == null) {
    return String(value);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) {
    const item = (part: unknown) => Array.isArray(part) ? "[…]" : shown(part);
    return `[${value.slice(0, 6).map(item).join(", ")}${value.length > 6 ? ", …" : ""}]`;
  }
  if (value instanceof Promise) return "a promise";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Quoted, and nothing in it that moves a cursor or that a program would read as a result line. */
function shownText(text: string): string {
  const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text.slice(0, 60).replace(/TEST_METRICS/gi, "TEST METRICS"))
    .replace(/[^\x20-\x7e]/g, escaped);
}
