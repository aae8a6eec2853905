/**
 * ROUGE-L of a summary, as LongBench takes it from the Python package `rouge` 1.0.1
 * (pltrdy/rouge, rouge_score.py, `rouge_l_summary_level` with `exclusive`): words are counted once,
 * and what the sentences of both texts have in common in the same order is joined over all pairs.
 *
 * @module
 */
import { SPACES } from "./qa_f1.ts";

/** Sentences end at full stops alone; runs of blanks inside them are one. */
function sentences(text: string): string[][] {
  return text.split(".").filter((sentence) => sentence !== "").map((sentence) =>
    sentence.split(SPACES).filter((word) => word !== "")
  )
    // A sentence of blanks is one empty word there.
    .map((words) => words.length === 0 ? [""] : words);
}

/**
 * Adds the words of one longest common subsequence to `joined`. There may be several; which one it is
 * decides the score, so this goes back the way that `_recon_lcs` goes.
 */
function addCommon(answer: readonly string[], reply: readonly string[], joined: Set<string>): void {
  const columns = reply.length + 1;
  const lengths = new Uint32Array((answer.length + 1) * columns);
  for (let i = 1; i <= answer.length; i++) {
    for (let j = 1; j <= reply.length; j++) {
      lengths[i * columns + j] = answer[i - 1] === reply[j - 1]
        ? lengths[(i - 1) * columns + j - 1]! + 1
        : Math.max(lengths[(i - 1) * columns + j]!, lengths[i * columns + j - 1]!);
    }
  }
  let i = answer.length, j = reply.length;
  while (i > 0 && j > 0) {
    if (answer[i - 1] === reply[j - 1]) {
      joined.add(answer[i - 1]!);
      i--;
      j--;
    } else if (lengths[(i - 1) * columns + j]! > lengths[i * columns + j - 1]!) i--;
    else j--;
  }
}

/**
 * F1 of ROUGE-L, 0..1; 0 where a text has no sentence. `rouge` itself fails on sentences of about a
 * thousand words, for which LongBench counts 0; here they are scored.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { rougeL } from "./rouge_l.ts";
 *
 * // "the", "sat" and "down" of four words each.
 * assertAlmostEquals(rougeL("the cat sat down", "the dog sat down"), 0.75, 1e-8);
 * ```
 */
export function rougeL(reply: string, answer: string): number {
  const got = sentences(reply), want = sentences(answer);
  if (got.length === 0 || want.length === 0) return 0;
  const joined = new Set<string>();
  for (const sentence of want) for (const other of got) addCommon(sentence, other, joined);
  const precision = joined.size / new Set(got.flat()).size;
  const recall = joined.size / new Set(want.flat()).size;
  return 2 * (precision * recall / (precision + recall + 1e-8));
}
