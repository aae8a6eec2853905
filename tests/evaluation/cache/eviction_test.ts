/** Who makes room: the rule by itself. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { leaving } from "../../../evaluation/cache/eviction.ts";

const bytes = fc.integer({ min: 0, max: 100 });
const scene = fc.record({
  entries: fc.array(fc.record({ bytes, used: fc.integer({ min: 0, max: 20 }) }), {
    maxLength: 12,
  }),
  bytes,
  limit: fc.integer({ min: -50, max: 400 }),
  since: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
});

const sum = (entries: readonly { bytes: number }[]) => entries.reduce((s, e) => s + e.bytes, 0);

Deno.test("what stays and what comes is within the limit, and no more leaves than must", () => {
  fc.assert(fc.property(scene, ({ entries, bytes, limit, since }) => {
    const out = leaving(entries, bytes, limit, since);
    if (out === undefined) return;
    const stay = entries.filter((entry) => !out.includes(entry));
    assertEquals(new Set(out).size + stay.length, entries.length);
    assert(sum(stay) + bytes <= limit);
    // With the last to leave still there it was too much.
    const last = out.at(-1);
    if (last !== undefined) assert(sum(stay) + last.bytes + bytes > limit);
  }));
});

Deno.test("whoever leaves was used no later than whoever stays, and before the run", () => {
  fc.assert(fc.property(scene, ({ entries, bytes, limit, since = Infinity }) => {
    const out = leaving(entries, bytes, limit, since);
    if (out === undefined) return;
    const stay = entries.filter((entry) => !out.includes(entry));
    const latest = Math.max(-Infinity, ...out.map(({ used }) => used));
    assert(stay.every(({ used }) => used >= latest));
    assert(latest < since);
  }));
});

Deno.test("only what cannot fit is refused", () => {
  fc.assert(fc.property(scene, ({ entries, bytes, limit, since = Infinity }) => {
    const bound = entries.filter(({ used }) => used >= since);
    const fits = sum(bound) + bytes <= limit;
    assertEquals(leaving(entries, bytes, limit, since) !== undefined, fits);
  }));
});
