/**
 * A width per layer, kind and head, and the forms it takes.
 *
 * @module
 */
import { KV_KINDS, type KvKind } from "../quant/family.ts";
import type { ModelShape } from "../engine/engine.ts";
import type { Plan } from "../replay/quantize.ts";
import type { BaseFamily } from "./base_family.ts";

/** Code widths, `[layer][head]` per kind. */
export type WidthPlan = Readonly<Record<KvKind, readonly (readonly number[])[]>>;

/**
 * A plan from one width per lane, in the order of `lanesOf`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { widthPlan } from "./width_plan.ts";
 *
 * const plan = widthPlan([4, 3, 2, 1], { layers: 1, kvHeads: 2 });
 * assertEquals(plan, { key: [[4, 3]], value: [[2, 1]] });
 * ```
 */
export function widthPlan(
  widths: readonly number[],
  { layers, kvHeads }: Pick<ModelShape, "layers" | "kvHeads">,
): WidthPlan {
  const of = (kind: 0 | 1) =>
    Array.from({ length: layers }, (_, layer) => {
      const at = (layer * KV_KINDS.length + kind) * kvHeads;
      return widths.slice(at, at + kvHeads);
    });
  return { key: of(0), value: of(1) };
}

/**
 * The plan as the replay takes it.
 *
 * @throws {QuantizerError} for widths that the family cannot mix in one tensor
 */
export function replayPlan(base: BaseFamily, { key, value }: WidthPlan): Plan {
  return key.flatMap((bits, layer) => [
    base.settings(layer, "key", bits),
    base.settings(layer, "value", value[layer]!),
  ]);
}
