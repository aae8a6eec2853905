/**
 * Sizes of the buffers of a `kvquant` store, from its layout and the outliers it holds.
 *
 * @module
 */
import type { StoredBuffer } from "../../family.ts";
import type { KvquantSettings, TokenRows } from "./kvquant_settings.ts";
import { parameterWords } from "../../packing/parameters.ts";

/** Words of one outlier: value and position share one, unless values are float32. */
export function outlierWords(settings: KvquantSettings): number {
  return settings.paramDtype === "f32" ? 2 : 1;
}

/** The buffers with `tokens` tokens and `outliers` outliers in them. */
export function kvquantBuffers(
  settings: KvquantSettings,
  layout: TokenRows,
  headDim: number,
  tokens: number,
  outliers: number,
): StoredBuffer[] {
  const { axis, bits, outliersRatio, paramDtype } = settings;
  const buffers: StoredBuffer[] = [{
    role: "codes",
    bytes: tokens * layout.words * 4,
    bits,
    codes: bits.map(() => tokens * headDim),
  }];
  if (axis === "token") {
    buffers.push({ role: "scale_zero", bytes: parameterWords(paramDtype, tokens) * 4 });
  }
  if (outliersRatio > 0) {
    buffers.push({ role: "row_pointers", bytes: tokens * 4 });
    buffers.push({ role: "outliers", bytes: outliers * outlierWords(settings) * 4 });
  }
  return buffers;
}
