/**
 * How much each layer, kind and head suffers from each width: measured on the model's predictions,
 * one cell quantized at a time.
 *
 * @module
 */
import { KV_KINDS, type KvKind } from "../quant/family.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { ModelShape } from "../replay/engine.ts";
import type { Plan } from "../replay/quantize.ts";
import type { BaseFamily } from "./base_family.ts";
import type { SampleReplay } from "./sample_replay.ts";

/** What a plan chooses a width for. */
export interface Cell {
  readonly layer: number;
  readonly kind: KvKind;
  /** KV head. */
  readonly head: number;
}

/** Measured sensitivity of every cell. */
export interface Sensitivity {
  /** Candidate widths, ascending. */
  readonly widths: readonly number[];
  /** Layers outermost, then keys before values, then heads. */
  readonly cells: readonly Cell[];
  /** `kl[cell][width]`, in nats per predicted token, averaged over samples. */
  readonly kl: readonly (readonly number[])[];
}

/** Every cell of a model. */
export function cellsOf({ layers, kvHeads }: Pick<ModelShape, "layers" | "kvHeads">): Cell[] {
  return Array.from(
    { length: layers },
    (_, layer) =>
      KV_KINDS.flatMap((kind) =>
        Array.from({ length: kvHeads }, (_, head) => ({ layer, kind, head }))
      ),
  ).flat();
}

/**
 * The plan that quantizes one cell: other layers and the other kind are exact, the other heads of
 * the same tensor are at the family's widest width, since a store holds all heads of a tensor.
 */
export function cellPlan(
  base: BaseFamily,
  shape: Pick<ModelShape, "layers" | "kvHeads">,
  cell: Cell,
  width: number,
): Plan {
  const bits = new Array<number>(shape.kvHeads).fill(base.widest);
  bits[cell.head] = width;
  return Array.from(
    { length: shape.layers },
    (_, layer) =>
      KV_KINDS.map((kind) =>
        layer === cell.layer && kind === cell.kind
          ? base.settings(layer, kind, bits)
          : "exact" as const
      ),
  ).flat();
}

/**
 * Measures one sample.
 *
 * @param onCell called before each cell
 * @returns `[cell][width]`, mean KL over the sample's target tokens
 */
export async function sampleSensitivity<T extends KvShape>(
  replay: SampleReplay<T>,
  base: BaseFamily,
  shape: Pick<ModelShape, "layers" | "kvHeads">,
  onCell: (index: number) => void = () => {},
): Promise<number[][]> {
  const table: number[][] = [];
  for (const [index, cell] of cellsOf(shape).entries()) {
    onCell(index);
    const row: number[] = [];
    for (const width of base.widths) {
      // At the widest width every head of a tensor gives the same plan.
      const known = width === base.widest && cell.head > 0
        ? table[index - cell.head]?.[row.length]
        : undefined;
      row.push(known ?? (await replay.cost(cellPlan(base, shape, cell, width))).kl);
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
