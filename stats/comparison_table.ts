/**
 * Paired comparisons as text: one line each, columns aligned, a difference that its interval does
 * not show called just that.
 *
 * @module
 */
import type { Difference, PairedComparison } from "./compare.ts";
import { FEWEST_EXAMPLES, INTERVAL_METHOD } from "./interval.ts";

/** What a difference within its interval is called. */
export const NO_DIFFERENCE = "no difference shown";

/**
 * A difference with its interval and what it says: `+0.42 [0.10, 0.77]`, or the same followed by
 * `no difference shown`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatDifference } from "./comparison_table.ts";
 *
 * assertEquals(
 *   formatDifference({ estimate: 0.1, low: -0.2, high: 0.4, shown: false }),
 *   "+0.10 [-0.20, 0.40] no difference shown",
 * );
 * ```
 */
export function formatDifference(difference: Difference): string {
  const numbers = `${signed(difference.estimate)} [${plain(difference.low)}, ${
    plain(difference.high)
  }]`;
  return difference.shown ? numbers : `${numbers} ${NO_DIFFERENCE}`;
}

/** Two decimals, more where two would print a shown difference as 0. */
function plain(value: number): string {
  const text = value.toFixed(Math.abs(value) < 0.1 && value !== 0 ? 3 : 2);
  return /^-0\.0+$/.test(text) ? text.slice(1) : text;
}

function signed(value: number): string {
  const text = plain(value);
  return value > 0 && !/^0\.0+$/.test(text) ? `+${text}` : text;
}

/** A p-value with two significant digits. */
export function formatP(p: number): string {
  if (p >= 0.1) return p.toFixed(2);
  return p >= 0.0001 ? String(Number(p.toPrecision(2))) : "<0.0001";
}

/**
 * The table `policy A vs B` of one slice, with a foot that states how it was made.
 *
 * @param title what was compared, such as `longbench on mini`
 */
export function comparisonTable(title: string, comparisons: readonly PairedComparison[]): string {
  return `${comparisonRows(title, comparisons)}\n${comparisonFoot(comparisons)}`;
}

/** The same without the foot, for several tables over one. */
export function comparisonRows(title: string, comparisons: readonly PairedComparison[]): string {
  const header = [
    "policy A vs B",
    "quality_main A - B",
    "task_score A - B",
    "exact A/B/both/none",
    "McNemar p",
    "n",
  ];
  const rows = comparisons.map((c) => [
    `${c.a} vs ${c.b}`,
    formatDifference(c.quality_main),
    formatDifference(c.task_score),
    `${c.answers.onlyA}/${c.answers.onlyB}/${c.answers.both}/${c.answers.neither}`,
    formatP(c.mcnemar_p),
    String(c.examples),
  ]);
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd();
  return [
    title,
    line(header),
    widths.map((w) => "-".repeat(w)).join("  "),
    ...rows.map(line),
  ].join("\n");
}

/** How the numbers of a comparison table were made. */
export function comparisonFoot(comparisons: readonly PairedComparison[]): string {
  const first = comparisons[0];
  const drawn = first === undefined
    ? ""
    : ` (${first.resamples} resamples of whole examples, seed ${first.seed})`;
  return `Paired per example: ${INTERVAL_METHOD}${drawn}; exact McNemar test on answers with full ` +
    `score, counted as only A / only B / both / neither. An interval that contains 0, or fewer ` +
    `than ${FEWEST_EXAMPLES} examples, is "${NO_DIFFERENCE}".`;
}
