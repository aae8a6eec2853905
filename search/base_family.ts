/**
 * The family whose widths a search distributes, with the settings that stay as they are.
 *
 * @module
 */
import {
  type Axis,
  type HookAnswers,
  KV_KINDS,
  type KvKind,
  type Settings,
} from "../quant/family.ts";
import { axesOf } from "../quant/declared.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import type { Families } from "../quant/registry.ts";
import { settingsFor } from "../quant/settings_for.ts";

/** What a search keeps fixed. */
export interface BaseChoice {
  /** Name of the family. */
  readonly family: string;
  /** Entries that share a scale; absent for the family's own. */
  readonly groupSize?: number;
  /** Recent tokens kept exact. */
  readonly residualLength: number;
}

/** Widths that a search tries, where the family has them. */
const CANDIDATES = [1, 2, 3, 4, 8];

/** A family under fixed settings, for one model. */
export class BaseFamily {
  /** Candidate widths, ascending, at least one. */
  readonly widths: readonly number[];
  /** The widest code of the family: as good as exact beside the width that is measured. */
  readonly widest: number;
  /** Group axis per kind: keys per channel and values per token, where the family can. */
  readonly axes: Readonly<Record<KvKind, Axis>>;

  /**
   * @param families to choose from
   * @param maxWidth widest code that a plan may use
   * @param minWidth narrowest code that a plan may use
   * @throws {QuantizerError} for a family that cannot take a width per head from a plan
   */
  constructor(
    private readonly families: Families,
    readonly choice: BaseChoice,
    private readonly shape: { readonly kvHeads: number; readonly headDim: number },
    maxWidth: number,
    minWidth = 1,
  ) {
    const family = families.of(choice.family);
    this.widths = CANDIDATES.filter((w) =>
      w >= minWidth && w <= maxWidth && family.widths.includes(w)
    );
    if (this.widths.length === 0) {
      throw new QuantizerError(
        `Family "${choice.family}" has no candidate width from ${minWidth} to ${maxWidth}; its widths are ${
          family.widths.join(", ")
        }`,
      );
    }
    this.widest = Math.max(...family.widths.filter((w) => w <= 8));
    this.axes = { key: axesOf(family, "key")[0]!, value: axesOf(family, "value")[0]! };
    const mixed = Array.from(
      { length: shape.kvHeads },
      (_, h) => h === 0 ? this.widths[0]! : this.widest,
    );
    // A family that cannot follow a plan says so before the model runs.
    for (const kind of KV_KINDS) this.settings(0, kind, mixed);
  }

  /**
   * The family's settings for one layer and kind.
   *
   * @param bits width per KV head
   * @throws {QuantizerError} for widths that the family cannot mix
   */
  settings(layer: number, kind: KvKind, bits: readonly number[]): Settings {
    const { groupSize, residualLength } = this.choice;
    const answers: HookAnswers = {
      layer,
      kind,
      bits,
      axis: this.axes[kind],
      residualLength,
      calibrationMode: "none",
      ...(groupSize === undefined ? {} : { groupSize }),
    };
    const { kvHeads: heads, headDim } = this.shape;
    return settingsFor(this.families.of(this.choice.family), answers, { heads, headDim });
  }
}
