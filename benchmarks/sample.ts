/**
 * Some of a benchmark's questions, the same for everyone who asks for as many.
 *
 * @module
 */

/** What decides whether a question is taken. */
export interface Sampled {
  readonly id: string;
  readonly prompt: string;
  /** What it is counted with: a length, a subject. */
  readonly group?: string;
}

/**
 * Questions at even distances in the order of groups and, within a group, of lengths (systematic
 * sampling; Cochran, Sampling Techniques, 1977, chapter 8): each group has its share, and each length
 * in it. Nothing is drawn at random, and no tokenizer is asked. They stay in the order of the file.
 *
 * @param limit how many, at least 1; all where there are no more
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { spreadSample } from "./sample.ts";
 *
 * const questions = ["a long one", "short", "the longest of all", "medium"]
 *   .map((prompt, i) => ({ id: `q-${i}`, prompt }));
 * assertEquals(spreadSample(questions, 2).map(({ id }) => id), ["q-2", "q-3"]);
 * ```
 */
export function spreadSample<T extends Sampled>(questions: readonly T[], limit: number): T[] {
  if (limit >= questions.length) return [...questions];
  const ordered = questions.toSorted((a, b) =>
    order(a.group ?? "", b.group ?? "") || a.prompt.length - b.prompt.length || order(a.id, b.id)
  );
  const taken = new Set(
    Array.from(
      { length: limit },
      (_, i) => ordered[Math.floor((i + 0.5) * ordered.length / limit)]!,
    ),
  );
  return questions.filter((question) => taken.has(question));
}

/** By code units, wherever the user lives. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
