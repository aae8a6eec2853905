/**
 * A foreign leaderboard as text: Markdown tables, which a terminal can show, too.
 *
 * @module
 */
import { INTERVAL_METHOD } from "../../stats/interval.ts";
import type { FailedCell, Misfit } from "../board.ts";
import { type Goal, goalOf } from "./goals.ts";
import type { Verdict } from "./verdicts.ts";
import { LEAST_REFERENCE } from "./verdicts.ts";

/** What is told. */
export interface ForeignBoard {
  readonly policies: readonly string[];
  readonly baseline: string;
  readonly verdicts: readonly Verdict[];
  readonly failures: readonly FailedCell[];
  readonly misfits: readonly Misfit[];
  readonly seed: number;
  readonly resamples: number;
}

/** How many cells reach their goal, by model and policy, with the goals in words. */
export function summaryText({ policies, baseline, verdicts, ...board }: ForeignBoard): string {
  const rows = [...Map.groupBy(verdicts, ({ model, policy }) => `${model}\n${policy}`).values()]
    .map((own) => {
      const { model, policy } = own[0]!;
      const reached = own.filter(({ missed }) => missed.length === 0).length;
      const excused = own.filter(({ missed }) => missed.length > 0 && missed.every(isExcused));
      const worst = Math.min(...own.map(({ cell }) => cell.numbers.quality_main));
      const most = Math.max(...own.map(({ duels }) => duels[0]?.memory ?? NaN));
      return [
        model,
        policy,
        `${reached} of ${own.length}`,
        String(excused.length),
        worst.toFixed(2),
        percent(most),
      ];
    });
  const header = ["model", "policy", "reached", "inside interval", "worst quality", "most memory"];
  return [
    table(header, rows),
    ...policies.map((policy) => goalText(policy, goalOf(policy, baseline))),
    ...board.failures.map(({ model, slice, reason }) => `${model} ${slice}: ${reason}`),
    ...board.misfits.map(({ model, policy, reason }) =>
      `${policy} does not apply to ${model}: ${reason}`
    ),
  ].join("\n\n");
}

function goalText(policy: string, { words, rivals }: Goal): string {
  return `${policy}: ${words}. Memory is that of ${rivals[0]}.`;
}

/** Every cell, a table a model. */
export function cellsText({ policies, verdicts, resamples, seed }: ForeignBoard): string {
  const models = [...Map.groupBy(verdicts, ({ model }) => model)];
  const tables = models.map(([model, own]) => {
    const places = Map.groupBy(own, ({ learned, judged }) => `${learned}\n${judged}`);
    const rows = [...places.values()].map((here) => [
      here[0]!.learned,
      here[0]!.judged,
      ...policies.map((policy) => {
        const verdict = here.find((one) => one.policy === policy);
        return verdict === undefined ? "" : entry(verdict);
      }),
    ]);
    return `### ${model}\n\n${table(["learned from", "judged on", ...policies], rows)}`;
  });
  return [
    "Quality; its difference from the first rival and that of agreement, in thousandths, each with " +
    "its interval; memory as a share of the first rival's; and what of the goal is missed, with a " +
    "question mark where the examples do not show it.",
    ...tables,
    `Intervals: paired, ${INTERVAL_METHOD} (${resamples} resamples of whole examples, seed ` +
    `${seed}). A task score counts where the reference has ${LEAST_REFERENCE} at least.`,
  ].join("\n\n");
}

function entry({ cell, duels: [first], missed }: Verdict): string {
  const quality = cell.numbers.quality_main.toFixed(2);
  if (first === undefined) return `${quality}; no rival ran`;
  const { quality: q, agreement: a, memory } = first;
  const span = (low: number, high: number, digits: number) =>
    `[${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
  return `${quality}; ${signed(q.estimate, 2)} ${span(q.low, q.high, 2)}; ` +
    `${signed(1000 * a.estimate, 1)} ${span(1000 * a.low, 1000 * a.high, 1)}; ${percent(memory)}` +
    (missed.length === 0 ? "" : `; **${missed.join(", ")}**`);
}

function isExcused(missed: string): boolean {
  return missed.endsWith("?");
}

function signed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return value > 0 ? `+${text}` : text;
}

function percent(share: number): string {
  return Number.isNaN(share) ? "" : `${(100 * share).toFixed(0)} %`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)]
    .join("\n");
}
