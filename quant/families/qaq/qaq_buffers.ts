/**
 * Sizes of the buffers of `qaq`, from what they hold.
 *
 * @module
 */
import type { StoredBuffer } from "../../family.ts";
import { type QaqLayout, type QaqSettings, WIDTH_BITS } from "./qaq_settings.ts";

/** What the streams hold up to some token. */
export interface QaqTotals {
  /** Codes of at least one bit. */
  codes: number;
  /** Bits of all codes. */
  codeBits: number;
  outliers: number;
  /** Groups whose number of outliers is listed. */
  exceptions: number;
}

/** Bytes of the words that hold so many bits. */
function wordBytes(bits: number): number {
  return 4 * Math.ceil(bits / 32);
}

/** The buffers with `tokens` tokens in them. */
export function qaqBuffers(
  settings: QaqSettings,
  layout: QaqLayout,
  tokens: number,
  { codes, codeBits, outliers, exceptions }: QaqTotals,
): StoredBuffer[] {
  const valueBits = settings.paramDtype === "f32" ? 32 : 16;
  const groups = tokens * layout.groups;
  const buffers: StoredBuffer[] = [
    {
      role: "codes",
      bytes: wordBytes(codeBits),
      bits: [codes === 0 ? 0 : codeBits / codes],
      codes: [codes],
    },
    {
      role: "scale_mean",
      bytes: wordBytes(groups * valueBits * (settings.symmetric ? 1 : 2)),
    },
  ];
  if (settings.useAttentions) {
    buffers.push({ role: "widths", bytes: wordBytes(groups * WIDTH_BITS) });
  }
  if (settings.outliersRatio > 0) {
    buffers.push(
      { role: "outlier_values", bytes: wordBytes(outliers * valueBits) },
      { role: "outlier_positions", bytes: wordBytes(outliers * layout.positionBits) },
      { role: "exceptions", bytes: 8 * exceptions },
    );
  }
  return buffers;
}
