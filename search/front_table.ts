/**
 * A front for people and for programs.
 *
 * @module
 */
import { alignedRows } from "../report/table.ts";
import type { FrontPoint } from "./front.ts";
import type { SearchResult } from "./search.ts";
import { type WidthPlan, widthPlan } from "./width_plan.ts";

/** The front as a table; a star marks the plan that was asked for. */
export function frontTable({ front, chosen }: Pick<SearchResult, "front" | "chosen">): string {
  const row = (point: FrontPoint) => [
    point.kind === "uniform"
      ? `every cell at ${point.budgetBits}`
      : `${point.kind}, ${point.budgetBits} bits${point === chosen ? " *" : ""}`,
    point.predictedKl.toExponential(2),
    point.measured.kl.toExponential(2),
    point.measured.codeBits.toFixed(3),
    point.measured.storedBits.toFixed(3),
  ];
  return alignedRows([
    ["plan", "predicted KL", "measured KL", "code bits", "stored bits"],
    ...front.map(row),
  ]).join("\n");
}

/** The widths of a plan, one line per layer. */
export function widthTable({ key, value }: WidthPlan): string {
  return alignedRows([
    ["widths", "key heads", "value heads"],
    ...key.map((heads, layer) => [`layer ${layer}`, heads.join(" "), value[layer]!.join(" ")]),
  ]).join("\n");
}

/** Everything a search measured, as JSON-serialisable data. */
export function searchJson(
  { sensitivity, front, chosen }: SearchResult,
  shape: { readonly layers: number; readonly kvHeads: number },
): Record<string, unknown> {
  const { cells, widths, kl } = sensitivity;
  return {
    widths,
    sensitivity: cells.map((cell, i) => ({ ...cell, kl: kl[i] })),
    front: front.map((point) => ({
      kind: point.kind,
      budget_bits: point.budgetBits,
      mean_width: point.meanWidth,
      predicted_kl: point.predictedKl,
      measured_kl: point.measured.kl,
      code_bits: point.measured.codeBits,
      stored_bits: point.measured.storedBits,
      chosen: point === chosen,
      plan: widthPlan(point.widths, shape),
    })),
  };
}
