/**
 * Which entries make room for a new one: least recently used first.
 *
 * @module
 */

/** What the rule knows of an entry. */
export interface KeptEntry {
  /** Size of its file. */
  readonly bytes: number;
  /** When it was last used, in milliseconds since 1970. */
  readonly used: number;
}

/**
 * The entries that leave so that `bytes` more stay within `limit`, or undefined when they cannot.
 *
 * Entries used at `since` or later stay. A run that reads more than the limit holds, from the first
 * example to the last and then again, would otherwise always push out what it needs next and never
 * find anything; so it keeps what came first, and what does not fit is not kept.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { leaving } from "./eviction.ts";
 *
 * const old = { bytes: 40, used: 1 }, recent = { bytes: 40, used: 2 };
 * assertEquals(leaving([recent, old], 30, 100), [old]);
 * assertEquals(leaving([recent, old], 30, 100, 1), undefined);
 * ```
 */
export function leaving<E extends KeptEntry>(
  entries: readonly E[],
  bytes: number,
  limit: number,
  since = Infinity,
): E[] | undefined {
  let excess = entries.reduce((sum, entry) => sum + entry.bytes, bytes) - limit;
  const out: E[] = [];
  for (const entry of entries.toSorted((a, b) => a.used - b.used)) {
    if (excess <= 0) break;
    if (entry.used >= since) return undefined;
    out.push(entry);
    excess -= entry.bytes;
  }
  return excess <= 0 ? out : undefined;
}
