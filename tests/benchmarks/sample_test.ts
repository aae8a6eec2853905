/** Samples of a benchmark: spread over groups and lengths, and the same for everyone. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { spreadSample } from "../../benchmarks/sample.ts";

const question = fc.record({
  group: fc.constantFrom("0-4k", "4-8k", "8k+"),
  length: fc.integer({ min: 0, max: 200 }),
});
const questions = fc.array(question, { minLength: 1, maxLength: 60 }).map((rows) =>
  rows.map(({ group, length }, i) => ({ id: `q-${i}`, group, prompt: "x".repeat(length) }))
);

Deno.test("a sample has as many as were asked for, in the order of the file, whatever that is", () => {
  fc.assert(fc.property(questions, fc.integer({ min: 1, max: 70 }), (all, limit) => {
    const sample = spreadSample(all, limit);
    assertEquals(sample.length, Math.min(limit, all.length));
    assertEquals(sample, all.filter((one) => sample.includes(one)));
    const reversed = spreadSample(all.toReversed(), limit).toReversed();
    assertEquals(reversed.map(({ id }) => id), sample.map(({ id }) => id));
  }));
});

Deno.test("every group has its share, and every length", () => {
  fc.assert(fc.property(questions, fc.integer({ min: 1, max: 30 }), (all, limit) => {
    if (limit > all.length) return;
    const sample = spreadSample(all, limit);
    for (const group of ["0-4k", "4-8k", "8k+"]) {
      const of = (some: typeof all) => some.filter((one) => one.group === group).length;
      assert(Math.abs(of(sample) - of(all) * limit / all.length) < 1 + 1e-9);
    }
  }));
  const all = Array.from(
    { length: 100 },
    (_, i) => ({ id: `${i}`, prompt: "x".repeat(i * 37 % 100) }),
  );
  const lengths = spreadSample(all, 4).map(({ prompt }) => prompt.length).sort((a, b) => a - b);
  assertEquals(lengths, [12, 37, 62, 87]);
});
