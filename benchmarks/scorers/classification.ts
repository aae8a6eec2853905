/**
 * The right label, shared with the other labels that the reply names (LongBench, metrics.py,
 * `classification_score`), 0..1.
 *
 * LongBench drops labels that are part of the right one while it walks the list it drops them from,
 * so the label after a dropped one is never looked at. Scores follow that, since they are compared
 * with published ones.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { classification } from "./classification.ts";
 *
 * assertEquals(classification("City or Person", "City", ["Animal", "City", "Person"]), 0.5);
 * ```
 */
export function classification(reply: string, answer: string, labels: readonly string[]): number {
  const named = labels.filter((label) => reply.includes(label));
  for (let i = 0; i < named.length; i++) {
    const label = named[i]!;
    if (answer.includes(label) && label !== answer) named.splice(named.indexOf(label), 1);
  }
  return named.includes(answer) ? 1 / named.length : 0;
}
