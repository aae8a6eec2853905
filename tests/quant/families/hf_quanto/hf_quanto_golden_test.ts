import { blockLayout } from "../../../../quant/stores/block/block_layout.ts";
import type { KvKind } from "../../../../quant/family.ts";
import { hfQuanto, type QuantoSettings } from "../../../../quant/families/hf_quanto/hf_quanto.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { blockContents } from "../../stores/block/block_contents.ts";
import { type Golden, testGoldenCases } from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

interface QuantoCase {
  readonly bits: number;
  readonly group_size: number;
  readonly quanto_axis: 0 | -1;
  readonly residual_length?: number;
  readonly compute_dtype?: "float32" | "float16";
}

function settings(golden: Golden, kind: KvKind): QuantoSettings {
  const params = golden.params as unknown as QuantoCase;
  const [, heads, , headDim] = golden.shape as [number, number, number, number];
  const resolved = settingsFor(
    hfQuanto,
    answers(kind, {
      bits: Array(heads).fill(params.bits),
      axis: params.quanto_axis === 0 ? "token" : "channel",
      groupSize: params.group_size,
      residualLength: params.residual_length ?? 128,
      options: { quanto_axis: params.quanto_axis },
    }),
    { heads, headDim },
  );
  return params.compute_dtype === "float16"
    ? { ...resolved, arithmetic: "f16" }
    : { ...resolved, paramDtype: "f32" };
}

/** Bytes of 8 / b codes of one column, rows a whole number of steps apart, first block lowest. */
function officialBytes(codes: Uint8Array, groups: number, groupSize: number, bits: number) {
  const perByte = 8 / bits;
  const rows = Math.ceil(groups / perByte);
  const bytes = new Uint8Array(rows * groupSize);
  codes.forEach((code, i) => {
    const row = Math.floor(i / groupSize);
    bytes[row % rows * groupSize + i % groupSize]! |= code << (Math.floor(row / rows) * bits);
  });
  return bytes;
}

testGoldenCases({
  family: hfQuanto,
  settings,
  async inspect(store, settings, golden) {
    const [, , tokens, headDim] = golden.shape as [number, number, number, number];
    const { order, groupSize, bits } = settings;
    const layout = blockLayout(settings, { headDim }, tokens);
    const format = settings.paramDtype === "f16" ? "f16_pair" : "f32_pair";
    const contents = await blockContents(store, layout, format);
    const shift = contents.zero.map((zero) => -zero);
    if (order === "flat") {
      const packed = golden.tensor("packed") === undefined
        ? {}
        : { packed: officialBytes(contents.codes, layout.groups, groupSize, bits[0]!) };
      return { codes: contents.codes, scale: contents.scale, shift, ...packed };
    }
    // Columns of the official matrix are channel after channel, here they are run after run.
    const runs = layout.groups / headDim;
    const column = (i: number) => i % runs * headDim + Math.floor(i / runs);
    const codes = contents.codes.map((_, i) =>
      contents.codes[column(i % layout.groups) * groupSize + Math.floor(i / layout.groups)]!
    );
    return {
      codes,
      scale: contents.scale.map((_, i) => contents.scale[column(i)]!),
      shift: shift.map((_, i) => shift[column(i)]!),
    };
  },
});
