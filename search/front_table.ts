/**
 * A front for people and for programs.
 *
 * @module
 */
import { alignedRows, CLAIMED_MARK } from "../report/table.ts";
import type { FrontPoint } from "./front.ts";
import type { JudgedQuantizer } from "./quantizer_trial.ts";
import type { SearchResult } from "./search.ts";
import type { Verdict } from "./verdict.ts";
import { type WidthPlan, widthPlan } from "./width_plan.ts";

/** A plan's row in the table. */
function planName({ kind, budgetBits }: FrontPoint): string {
  return kind === "uniform" ? `every lane at ${budgetBits}` : `${kind}, ${budgetBits} bits`;
}

/** The front as a table, and quantizers of the user's below; a star marks the plan that is written. */
export function frontTable(
  { front, chosen, quantizers }: Pick<SearchResult, "front" | "chosen" | "quantizers">,
): string {
  const row = (point: FrontPoint) => [
    `${planName(point)}${point === chosen ? " *" : ""}`,
    point.predictedLoss.toFixed(3),
    point.measured.quality.toFixed(3),
    point.measured.kl.toExponential(2),
    point.measured.codeBits.toFixed(3),
    point.measured.storedBits.toFixed(3),
  ];
  // Nothing is predicted of a quantizer, and it has no codes.
  const quantizerRow = ({ name, claimed, measured }: JudgedQuantizer) => [
    claimed ? `${name} ${CLAIMED_MARK}` : name,
    "-",
    measured.quality.toFixed(3),
    measured.kl.toExponential(2),
    "-",
    measured.storedBits.toFixed(3),
  ];
  return alignedRows([
    ["plan", "predicted loss", "quality", "KL", "code bits", "stored bits"],
    ...front.map(row),
    ...quantizers.map(quantizerRow),
  ]).join("\n");
}

/** What won on the held-out samples, in a sentence. */
export function verdictSentence({ chosen, searched, uniform, wins }: Verdict<FrontPoint>): string {
  const at = (point: FrontPoint) => `${planName(point)} (${point.measured.quality.toFixed(3)})`;
  return `on ${searched.qualities.length} held-out samples ${at(searched)} against ${
    at(uniform)
  }, ` +
    `better on ${wins} of them: ${planName(chosen)} is written`;
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
  { sensitivity, front, chosen, quantizers }: SearchResult,
  shape: { readonly layers: number; readonly kvHeads: number },
): Record<string, unknown> {
  const { lanes, widths, loss } = sensitivity;
  return {
    widths,
    sensitivity: lanes.map((lane, i) => ({ ...lane, loss: loss[i] })),
    front: front.map((point) => ({
      kind: point.kind,
      budget_bits: point.budgetBits,
      mean_width: point.meanWidth,
      predicted_loss: point.predictedLoss,
      quality: point.measured.quality,
      qualities: point.qualities,
      kl: point.measured.kl,
      code_bits: point.measured.codeBits,
      stored_bits: point.measured.storedBits,
      chosen: point === chosen,
      plan: widthPlan(point.widths, shape),
    })),
    quantizers: quantizers.map(({ name, claimed, measured, qualities }) => ({
      ...{ name, claimed, quality: measured.quality, qualities },
      ...{ kl: measured.kl, stored_bits: measured.storedBits },
    })),
  };
}
