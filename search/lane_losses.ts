/**
 * How much quality each layer, kind and head loses at each width: measured on the model's
 * predictions and on the restored cache, one lane at a time.
 *
 * @module
 */
import { exactSettings } from "../quant/families/exact/exact.ts";
import { KV_KINDS, type KvKind } from "../quant/family.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { ModelShape } from "../engine/engine.ts";
import type { Plan } from "../replay/quantize.ts";
import type { BaseFamily } from "./base_family.ts";
import type { SampleReplay } from "./sample_replay.ts";
import type { WidthPlan } from "./width_plan.ts";

/** What a plan chooses a width for. */
export interface Lane {
  readonly layer: number;
  readonly kind: KvKind;
  /** KV head. */
  readonly head: number;
}

/** Measured sensitivity of every lane. */
export interface Sensitivity {
  /** Candidate widths, ascending. */
  readonly widths: readonly number[];
  /** Layers outermost, then keys before values, then heads. */
  readonly lanes: readonly Lane[];
  /** `loss[lane][width]`, in points of `quality_main`, averaged over samples. */
  readonly loss: readonly (readonly number[])[];
}

/** Every lane of a model. */
export function lanesOf({ layers, kvHeads }: Pick<ModelShape, "layers" | "kvHeads">): Lane[] {
  return Array.from(
    { length: layers },
    (_, layer) =>
      KV_KINDS.flatMap((kind) =>
        Array.from({ length: kvHeads }, (_, head) => ({ layer, kind, head }))
      ),
  ).flat();
}

/**
 * The plan that gives one lane a width. Around it is either a given plan, or an exact cache: then
 * only the other heads of the same tensor are quantized, at the family's widest width, since a store
 * holds all heads of a tensor.
 */
export function lanePlan(
  base: BaseFamily,
  shape: Pick<ModelShape, "layers" | "kvHeads">,
  lane: Lane,
  width: number,
  around: WidthPlan | "exact" = "exact",
): Plan {
  const wide = new Array<number>(shape.kvHeads).fill(base.widest);
  return Array.from({ length: shape.layers }, (_, layer) =>
    KV_KINDS.map((kind) => {
      const own = layer === lane.layer && kind === lane.kind;
      if (around === "exact" && !own) return exactSettings(layer, kind, shape.kvHeads);
      const heads = around === "exact" ? wide : around[kind][layer]!;
      return base.settings(layer, kind, own ? heads.with(lane.head, width) : heads);
    })).flat();
}

/**
 * Measures one sample.
 *
 * @param around what surrounds the lane that is measured
 * @param onLane called before each lane
 * @returns `[lane][width]`, loss over the sample's target tokens, in points
 */
export async function sampleSensitivity<T extends KvShape>(
  replay: SampleReplay<T>,
  base: BaseFamily,
  shape: Pick<ModelShape, "layers" | "kvHeads">,
  around: WidthPlan | "exact",
  onLane: (index: number) => void = () => {},
): Promise<number[][]> {
  // Several lanes may lead to one plan: at a width that the surroundings have anyway.
  const known = new Map<string, number>();
  const table: number[][] = [];
  for (const [index, lane] of lanesOf(shape).entries()) {
    onLane(index);
    const row: number[] = [];
    for (const width of base.widths) {
      const plan = lanePlan(base, shape, lane, width, around);
      const key = plan.map(({ bits }) => bits).join(";");
      const loss = known.get(key) ?? (await replay.cost(plan)).loss;
      known.set(key, loss);
      row.push(loss);
    }
    table.push(row);
  }
  return table;
}

/** Mean of the tables of several samples, each of equal weight. */
export function meanTable(tables: readonly (readonly (readonly number[])[])[]): number[][] {
  return tables[0]!.map((row, c) =>
    row.map((_, w) => tables.reduce((sum, table) => sum + table[c]![w]!, 0) / tables.length)
  );
}
