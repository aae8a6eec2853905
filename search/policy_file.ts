/**
 * A plan as a policy file: a module that needs nothing but itself.
 *
 * @module
 */
import { MOST_BUDGET_BITS } from "../policies/check.ts";
import type { BaseFamily } from "./base_family.ts";
import { widestOf } from "./plan_policy.ts";
import type { WidthPlan } from "./width_plan.ts";

/** Where a plan comes from, for the comment of its file. */
export interface PlanOrigin {
  /** As the user named it. */
  readonly model: string;
  /** Commit of a model of the hub. */
  readonly modelCommit?: string;
  /** SHA-256 of the model's files. */
  readonly modelHash: string;
  /** Names of the calibration samples that plans were found on. */
  readonly samples: readonly string[];
  /** Names of those that plans were judged on. */
  readonly heldOut: readonly string[];
  /** Mean width that was allowed, in bits. */
  readonly budgetBits: number;
  /** What was compared on the held-out samples, and which plan won. */
  readonly verdict: string;
  /** The command that made the file. */
  readonly command: string;
}

/** Longest line of the file. */
const COLUMNS = 100;

/** The file's text, in TypeScript. */
export function policyFileText(plan: WidthPlan, base: BaseFamily, origin: PlanOrigin): string {
  const { family, groupSize, residualLength } = base.choice;
  const widest = widestOf(plan);
  const comment = [
    "Code widths per layer, kind and KV head, from a search by measured sensitivity.",
    "",
    `model:    ${origin.model} (${
      origin.modelCommit === undefined ? "" : `commit ${origin.modelCommit}, `
    }SHA-256 ${origin.modelHash})`,
    `family:   ${family}${groupSize === undefined ? "" : `, groups of ${groupSize}`}, ` +
    `the last ${residualLength} tokens exact`,
    `samples:  ${origin.samples.join(", ")}`,
    `held out: ${origin.heldOut.join(", ")}`,
    `budget:   ${origin.budgetBits} code bits on average; replay with --budget-bits ${widest}${
      widest < MOST_BUDGET_BITS ? ` to ${MOST_BUDGET_BITS}` : ""
    }`,
    `verdict:  ${origin.verdict}`,
    `made by:  ${origin.command}`,
  ];
  const rows = (kind: "key" | "value") =>
    plan[kind].map((heads) => `    [${heads.join(", ")}],\n`).join("");
  const axis = base.axes.key === base.axes.value
    ? `() => "${base.axes.key}"`
    : `(_layer: number, kind: "key" | "value") => kind === "key" ? "${base.axes.key}" : "${base.axes.value}"`;
  return `/**
${comment.flatMap(wrapped).map((line) => ` * ${line}`.trimEnd()).join("\n")}
 */
/** Widths in bits: \`[layer][head]\` per kind. */
const WIDTHS: Record<"key" | "value", number[][]> = {
  key: [
${rows("key")}  ],
  value: [
${rows("value")}  ],
};

export default {
  quantizer_family: () => ${JSON.stringify(family)},
  choose_bits: (layer: number, kind: "key" | "value", head: number) => WIDTHS[kind][layer]?.[head],
  choose_axis: ${axis},
  residual_length: () => ${residualLength},
${groupSize === undefined ? "" : `  group_size: () => ${groupSize},\n`}\
  calibration_mode: () => "none",
};
`;
}

/** A line of the comment, broken at spaces; nothing in it can end the comment. */
function wrapped(text: string): string[] {
  const safe = text.replace(/[\p{Cc}\u2028\u2029]/gu, " ").replaceAll("*/", "* /");
  const lines: string[] = [];
  let line = "";
  for (const word of safe.split(/(?<=\S) (?=\S)/)) {
    if (line !== "" && line.length + word.length + 4 > COLUMNS) {
      lines.push(line);
      line = " ".repeat(10) + word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
