/**
 * What the report does not say: the limits that hold for any run, and those of this one.
 *
 * @module
 */
import { isSliceName } from "../../benchmarks/slices.ts";
import { type Board, REFERENCE } from "../board.ts";
import { element, type Markup } from "../../report/markup.ts";
import { fixed } from "./numbers.ts";

/** One paragraph per limit: what it is about, and the limit. */
export function limitsOf(board: Board): (readonly [string, string])[] {
  const { cells } = board;
  const limit = cells.find((c) => c.key.limit !== null)?.key.limit;
  const counts = cells.map((c) => c.numbers.examples);
  const range = spanOf(counts);
  const comparisons = board.places.reduce(
    (sum, place) => sum + Math.max(0, board.cellsAt(place).length - 1),
    0,
  );
  const engines = [...new Set(cells.map((c) => c.key.engine))];
  const machines = [...new Set(cells.map((c) => c.environment.machine))];
  return [
    [
      "Other models",
      `The numbers are those of ${board.models.join(" and ")}. A policy that ranks well here may ` +
      `rank otherwise on a larger model, another head size or longer contexts.`,
    ],
    ["Other texts", otherTexts(board, range, limit)],
    [
      "Right answers",
      `quality_main says how well a policy repeats the full-precision model, step by step and fed ` +
      `with its answers, not how good an answer is. It cannot show an error that grows over a free ` +
      `generation. task_score looks at the answers, and saturates where the reference is always right.`,
    ],
    [
      "Small differences",
      `Intervals are over examples of these slices only, and are wide for so few. They are not ` +
      `corrected for the number of comparisons: of ${comparisons} with the baseline, about ` +
      `${
        fixed(comparisons * 0.05, 0)
      } would be shown by chance if there were no differences at all.`,
    ],
    [
      "The order of neighbours",
      `The ranking sorts by a mean over models and slices of equal weight. Two neighbours whose ` +
      `intervals overlap may be in either order; another weighting gives another ranking.`,
    ],
    [
      "Speed of a server",
      `Speed is replayed steps per second through ${engines.join(", ")} on ${
        machines.join("; ")
      }, ` +
      `measured once, quantization of whole caches included. It is not the speed of a serving ` +
      `system with fused kernels, and says nothing of other machines.`,
    ],
    [
      "Memory of a server",
      `Memory is that of the stored cache alone: weights, activations and the restored copy that ` +
      `attention reads here are not in it, and full-precision entries count 16 bits whatever the engine.`,
    ],
    [
      "Widths in time",
      `The heat maps show the codes stored at the last step of a slice's last example. A policy ` +
      `that adapts may have chosen otherwise before. Widths are of the codes: scales, zero points, ` +
      `outliers and exact tokens add to them (see the stored bits).`,
    ],
    [
      "Tuning",
      `Settings of the built-in policies are those of their papers or official code where they ` +
      `state any, not tuned for these models. ${REFERENCE} is the full-precision cache and no rival.`,
    ],
  ];
}

/** How little the examples are beside all texts that there are. */
function otherTexts(board: Board, range: string, limit: number | null | undefined): string {
  const others = board.slices.filter((name) => !isSliceName(name));
  if (others.length === 0) {
    return `The slices stand in for long-context question answering, needle retrieval and reasoning; ` +
      `they hold ${range} examples each${
        limit === undefined ? "" : ` (this run took the first ${limit} only)`
      }, generated for this project. They are not the public benchmarks.`;
  }
  const own = board.slices.filter((name) => isSliceName(name)).join(", ");
  return `The numbers are those of ${range} examples of each benchmark${
    limit === undefined ? "" : `, ${limit} at most`
  }; the manifest says where those of ${others.join(", ")} came from.${
    own === "" ? "" : ` Those of ${own} were generated for this project.`
  }`;
}

function spanOf(counts: readonly number[]): string {
  const [low, high] = [Math.min(...counts), Math.max(...counts)];
  return low === high ? String(low) : `${low} to ${high}`;
}

/** The section's list. */
export function limits(board: Board): Markup {
  return element(
    "dl",
    { id: "limits" },
    limitsOf(board).map(([about, text]) => [
      element("dt", {}, element("strong", {}, about)),
      element("dd", {}, text),
    ]),
  );
}
