import { blockLayout } from "../../../../quant/stores/block/block_layout.ts";
import type { KvKind } from "../../../../quant/family.ts";
import { kvtuner, type KvtunerSettings } from "../../../../quant/families/kvtuner/kvtuner.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { blockContents } from "../../stores/block/block_contents.ts";
import { type Golden, testGoldenCases } from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

interface KvtunerCase {
  readonly bits: number;
  readonly group_size: number;
  readonly axis: "channel" | "token";
  readonly symmetric: boolean;
}

function settings(golden: Golden, kind: KvKind): KvtunerSettings {
  const { bits, group_size, axis, symmetric } = golden.params as unknown as KvtunerCase;
  const [, heads, , headDim] = golden.shape as [number, number, number, number];
  const given = answers(kind, {
    bits: Array(heads).fill(bits),
    axis,
    groupSize: group_size,
    symmetric,
  });
  return { ...settingsFor(kvtuner, given, { heads, headDim }), paramDtype: "f32" };
}

testGoldenCases({
  family: kvtuner,
  settings,
  async inspect(store, settings, golden) {
    const [, , tokens, headDim] = golden.shape as [number, number, number, number];
    const layout = blockLayout(settings, { headDim }, tokens);
    const format = settings.symmetric ? "f32_scale" : "f32_pair";
    const { scale, zero } = await blockContents(store, layout, format);
    // The official zero is that of signed codes.
    const lowest = -(2 ** (settings.bits[0]! - 1));
    const signed = zero.map((steps) => steps - lowest);
    if (settings.order === "flat") {
      return { scale, ...(settings.symmetric ? {} : { zero: signed }) };
    }
    // Officially group after group of a channel, here channel after channel of a run of tokens.
    const runs = tokens / settings.groupSize;
    const at = (i: number) =>
      (Math.floor(i / runs / headDim) * runs + i % runs) * headDim + Math.floor(i / runs) % headDim;
    return {
      scale: scale.map((_, i) => scale[at(i)]!),
      zero: signed.map((_, i) => signed[at(i)]!),
    };
  },
});
