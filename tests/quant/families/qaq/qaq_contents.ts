/** Unpacks the buffers of a `qaq` pack. */
import { readBits } from "../../../../quant/families/qaq/bit_stream.ts";
import type { BufferContents } from "../../../../quant/family.ts";
import {
  qaqLayout,
  type QaqSettings,
  WIDTH_BITS,
} from "../../../../quant/families/qaq/qaq_settings.ts";
import type { KvShape } from "../../../../quant/tensor.ts";

/** What the buffers hold. */
export interface QaqContents {
  /** Width of every group, `[tokens, groups]`. */
  readonly widths: Int32Array;
  /** `[tokens, entries]`: 1 for an outlier; entries are layers, heads, channels. */
  readonly mask: Uint8Array;
}

/** Reads the widths and outliers of the first `tokens` tokens. */
export function qaqContents(
  contents: readonly BufferContents[],
  settings: QaqSettings,
  shape: Omit<KvShape, "capacity">,
  layers: number,
  tokens: number,
): QaqContents {
  const buffers = new Map(contents.map(({ role, words }) => [role, words]));
  const layout = qaqLayout(settings, shape, layers);
  const { groups, groupSize, entries, nominalOutliers, positionBits, heads, headDim } = layout;
  const exceptions = new Map<number, number>();
  const listed = buffers.get("exceptions") ?? [];
  for (let i = 0; i + 1 < listed.length; i += 2) {
    exceptions.set(listed[i]!, listed[i + 1]!);
  }
  const widths = new Int32Array(tokens * groups);
  if (settings.useAttentions) {
    readBits(buffers.get("widths")!, 0, widths.length, WIDTH_BITS, widths);
  } else {
    widths.forEach((_, g) => {
      widths[g] = settings.bits[g % groups * groupSize / headDim % heads]!;
    });
  }
  const mask = new Uint8Array(tokens * entries);
  const positions = new Int32Array(groupSize);
  for (let group = 0, outlier = 0; group < tokens * groups; group++) {
    const count = exceptions.get(group) ?? nominalOutliers;
    const words = buffers.get("outlier_positions");
    if (words === undefined) break;
    readBits(words, outlier * positionBits, count, positionBits, positions);
    for (let o = 0; o < count; o++) mask[group * groupSize + positions[o]!] = 1;
    outlier += count;
  }
  return { widths, mask };
}
