/**
 * Two runs beside each other, as text.
 *
 * @module
 */
import { comparisonFoot, comparisonRows } from "../stats/comparison_table.ts";
import type { ExampleDifference, PolicyDifference, RunDifferences } from "./run_differences.ts";
import { shownLine, shownLines } from "./terminal.ts";

/** How much is shown, and how wide. */
export interface DifferenceTextOptions {
  /** Examples of each policy. */
  readonly limit: number;
  /** Columns of a line. */
  readonly columns: number;
}

/** What differs; one sentence where nothing does. */
export function differencesText(
  differences: RunDifferences,
  options: DifferenceTextOptions,
): string {
  const { described, policies } = differences;
  const head = described.map(({ name, a, b }) => `${name}: A ${told(a)}, B ${told(b)}`);
  const parts = policies.map((policy) => policyText(policy, options));
  return [
    ...(head.length === 0 ? [] : [head.join("\n")]),
    ...parts,
    comparisonFoot(policies.map(({ comparison }) => comparison)),
  ].join("\n\n");
}

/** A value of a run's description on one line; long ones are cut. */
function told(value: unknown): string {
  const text = shownLine(JSON.stringify(value) ?? "nothing");
  return text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE)}…`;
}

const LONGEST_VALUE = 120;

function policyText(policy: PolicyDifference, options: DifferenceTextOptions): string {
  const { slice, comparison, examples, onlyA, onlyB } = policy;
  const shown = examples.slice(0, options.limit);
  const alone = [[onlyA, "A"], [onlyB, "B"]] as const;
  return [
    comparisonRows(shownLine(slice), [comparison]),
    `${examples.length} of ${comparison.examples} examples differ`,
    ...alone.filter(([ids]) => ids.length > 0).map(([ids, run]) =>
      `${ids.length} only in ${run}: ${shownLine(ids.slice(0, MOST_IDS).join(", "))}${
        ids.length > MOST_IDS ? ", …" : ""
      }`
    ),
    ...shown.map((example) => `\n${exampleText(example, options.columns)}`),
    ...(shown.length < examples.length
      ? [`\n${examples.length - shown.length} more (--limit N)`]
      : []),
  ].join("\n");
}

const MOST_IDS = 8;

function exampleText({ id, firstStep, a, b }: ExampleDifference, columns: number): string {
  const score = (value: number) => (100 * value).toFixed(1);
  const apart = firstStep === undefined ? "same tokens" : `apart from step ${firstStep}`;
  const reference = a.referenceReply === b.referenceReply
    ? [labelled("full precision", score(a.referenceScore), a.referenceReply)]
    : [
      labelled("full precision in A", score(a.referenceScore), a.referenceReply),
      labelled("full precision in B", score(b.referenceScore), b.referenceReply),
    ];
  const replies = sideBySide(
    `A ${score(a.score)}`,
    a.reply,
    `B ${score(b.score)}`,
    b.reply,
    columns,
  );
  const generated = a.generated === undefined || b.generated === undefined ? [] : [
    sideBySide("A generated", a.generated, "B generated", b.generated, columns),
  ];
  return [`${shownLine(id)}: ${apart}`, ...reference, replies, ...generated].join("\n");
}

function labelled(label: string, score: string, text: string): string {
  return `${label} ${score}: ${shownLine(text)}`;
}

/** Two texts in columns, each under its head. */
function sideBySide(headA: string, a: string, headB: string, b: string, columns: number): string {
  const width = Math.max(MIN_COLUMN, Math.floor((columns - SEPARATOR.length) / 2));
  const left = [headA, ...wrapped(a, width)];
  const right = [headB, ...wrapped(b, width)];
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) => {
    return `${(left[i] ?? "").padEnd(width)}${SEPARATOR}${right[i] ?? ""}`.trimEnd();
  }).join("\n");
}

const SEPARATOR = " | ";
const MIN_COLUMN = 20;

/** Lines of at most `width` characters, cut between words where there are any. */
function wrapped(text: string, width: number): string[] {
  return shownLines(text).replaceAll("\t", " ").split("\n").flatMap((line) => {
    const lines: string[] = [];
    let rest = [...line];
    while (rest.length > width) {
      const space = rest.lastIndexOf(" ", width);
      const cut = space > 0 ? space : width;
      lines.push(rest.slice(0, cut).join(""));
      rest = rest.slice(rest[cut] === " " ? cut + 1 : cut);
    }
    return [...lines, rest.join("")];
  });
}
