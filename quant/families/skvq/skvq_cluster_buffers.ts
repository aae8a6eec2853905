/**
 * Sizes of the buffers of a `skvq` store whose channels are rearranged.
 *
 * @module
 */
import { wordsPerRow } from "../../packing/bit_packing.ts";
import type { StoredBuffer } from "../../family.ts";
import { parameterWords } from "../../packing/parameters.ts";
import type { SkvqSettings } from "./skvq_settings.ts";

/** Words that the codes of one token take. */
export function clusterTokenWords(settings: SkvqSettings, channels: number): number {
  return wordsPerRow(channels, settings.bits[0]!);
}

/** The buffers with `tokens` tokens in them. */
export function clusterBuffers(
  settings: SkvqSettings,
  channels: number,
  tokens: number,
): StoredBuffer[] {
  const { bits, groups, paramDtype } = settings;
  return [
    {
      role: "codes",
      bytes: tokens * clusterTokenWords(settings, channels) * 4,
      bits,
      codes: bits.map(() => tokens * channels / bits.length),
    },
    { role: "scale_zero", bytes: parameterWords(paramDtype, tokens * groups) * 4 },
  ];
}
