/**
 * Sizes of the buffers of a grouped store after so many units, from the strides of its layout.
 *
 * @module
 */
import type { Settings, StoredBuffer } from "../../family.ts";
import type { GroupLayout } from "./group_layout.ts";
import { parameterWords } from "../../packing/parameters.ts";
import type { TokenRange } from "../../tensor.ts";

/** The buffers `codes` and `scale_zero` as a store holds them with `range` quantized. */
export function storedBuffers(
  settings: Settings,
  layout: GroupLayout,
  range: TokenRange,
): StoredBuffer[] {
  const tokens = range.to - range.from;
  const units = tokens / layout.unitTokens;
  return [
    {
      role: "codes",
      bytes: units * layout.unitWords * 4,
      bits: settings.bits,
      codes: settings.bits.map(() => tokens * layout.headDim),
    },
    {
      role: "scale_zero",
      bytes: parameterWords(settings.paramDtype, units * layout.unitGroups) * 4,
    },
  ];
}
