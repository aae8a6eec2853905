/**
 * What the numbers say, in a few sentences made from them.
 *
 * @module
 */
import { type Board, REFERENCE } from "../board.ts";
import type { Standing } from "../standing.ts";
import { element, type Markup } from "../../report/markup.ts";
import { percent, points, signed } from "./numbers.ts";

/** Sentences of the summary. */
export function summarySentences(board: Board, standings: readonly Standing[]): string[] {
  const ranked = standings.filter((s) => s.rank !== null && s.policy !== REFERENCE);
  const best = ranked[0];
  if (best === undefined) return [];
  const sentences = [
    `Highest mean quality below full precision: ${best.policy} with ${points(best.quality)} at ` +
    `${percent(best.memoryShare, 1)} of the 16-bit cache.`,
  ];
  const baseline = ranked.find((s) => s.policy === board.baseline);
  const rivals = ranked.filter((s) => s.versusBaseline !== undefined);
  if (baseline !== undefined) {
    const atLeast = rivals
      .filter(({ versusBaseline: d }) => !d!.shown || d!.estimate > 0)
      .filter((s) => s.memoryShare < baseline.memoryShare)
      .toSorted((a, b) => a.memoryShare - b.memoryShare)[0];
    sentences.push(
      atLeast === undefined
        ? `No policy takes less memory than ${board.baseline} without a shown loss of mean quality.`
        : `Least memory without a shown loss of mean quality against ${board.baseline}: ` +
          `${atLeast.policy} with ${percent(atLeast.memoryShare, 1)} of the 16-bit cache ` +
          `(${board.baseline}: ${percent(baseline.memoryShare, 1)}), difference ` +
          `${signed(atLeast.versusBaseline!.estimate, 2)} ` +
          `[${signed(atLeast.versusBaseline!.low, 2)}, ${
            signed(atLeast.versusBaseline!.high, 2)
          }].`,
    );
  }
  const everywhere = ranked.filter((s) => s.onFront === s.of).map((s) => s.policy);
  sentences.push(
    everywhere.length === 0
      ? "No policy is on the Pareto front of every place."
      : `On the Pareto front of every place: ${everywhere.join(", ")}.`,
  );
  return sentences;
}

/** The summary as a list. */
export function summary(board: Board, standings: readonly Standing[]): Markup {
  return element(
    "ul",
    { id: "summary" },
    summarySentences(board, standings).map((sentence) => element("li", {}, sentence)),
  );
}
