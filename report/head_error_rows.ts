/**
 * `head_errors.csv`: what each head of each layer's keys and values lost, for those who design
 * quantizers.
 *
 * @module
 */
import { stringify } from "@std/csv/stringify";
import type { NamedOutcome, SliceResult } from "../evaluation/results.ts";
import { KV_KINDS } from "../quant/family.ts";
import type { HeadError } from "../replay/head_errors.ts";

const COLUMNS = ["slice", "policy", "layer", "kind", "head", "error", "share"] as const;

/** One line: a head, or all heads of a layer and kind. */
type Row = Readonly<Record<(typeof COLUMNS)[number], string | number>>;

/** The contents of the file: for every layer and kind a line of all heads, then one of each. */
export function headErrorsCsv(reports: readonly { readonly result: SliceResult }[]): string {
  const rows: Row[] = reports.flatMap(({ result: { slice, results } }) =>
    results.flatMap(({ policy, outcomes }) =>
      headErrorRows(outcomes).map((row) => ({ slice, policy, ...row }))
    )
  );
  return stringify(rows, { columns: [...COLUMNS] });
}

/** Errors over all steps of all examples, each step counting the same. */
function headErrorRows(outcomes: readonly NamedOutcome[]): Omit<Row, "slice" | "policy">[] {
  const [first] = outcomes;
  if (first === undefined) return [];
  const total = outcomes.reduce((sum, { steps }) => sum + steps.length, 0);
  const mean = (of: (outcome: NamedOutcome) => number) =>
    outcomes.reduce((sum, outcome) => sum + of(outcome) * outcome.steps.length, 0) / total;
  return first.headErrors.flatMap((kinds, layer) =>
    kinds.flatMap((heads, kind) => {
      const place = { layer, kind: KV_KINDS[kind]! };
      const of = (what: keyof HeadError) =>
        heads.map((_, head) => mean((o) => o.headErrors[layer]![kind]![head]![what]));
      const [own, shares] = [of("own"), of("ofLayer")];
      const all = shares.reduce((a, b) => a + b, 0);
      return [
        { ...place, head: "all", error: Math.sqrt(all), share: all },
        ...shares.map((share, head) => ({
          ...place,
          ...{ head, error: Math.sqrt(own[head]!), share },
        })),
      ];
    })
  );
}
