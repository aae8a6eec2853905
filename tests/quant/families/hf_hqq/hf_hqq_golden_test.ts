import { blockLayout } from "../../../../quant/stores/block/block_layout.ts";
import type { KvKind } from "../../../../quant/family.ts";
import { hfHqq, type HqqSettings } from "../../../../quant/families/hf_hqq/hf_hqq.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { blockContents, transposed } from "../../stores/block/block_contents.ts";
import { type Golden, testGoldenCases } from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

interface HqqCase {
  readonly bits: number;
  readonly group_size: number;
  readonly hqq_axis: 0 | 1;
  readonly optimize: boolean;
  readonly compute_dtype: "float32" | "float16";
}

function settings(golden: Golden, kind: KvKind): HqqSettings {
  const params = golden.params as unknown as HqqCase;
  const [, heads, , headDim] = golden.shape as [number, number, number, number];
  const resolved = settingsFor(
    hfHqq,
    answers(kind, {
      bits: Array(heads).fill(params.bits),
      axis: params.hqq_axis === 1 ? "token" : "channel",
      groupSize: params.group_size,
      options: { hqq_axis: params.hqq_axis, optimize: params.optimize },
    }),
    { heads, headDim },
  );
  return params.compute_dtype === "float16" ? resolved : { ...resolved, paramDtype: "f32" };
}

/** Bytes, or words of ten 3-bit codes: rows a whole number of steps apart, first block highest. */
function officialWords(codes: Uint8Array, rows: number, columns: number, bits: number) {
  const perWord = bits === 3 ? 10 : 8 / bits;
  const steps = Math.ceil(rows / perWord);
  const words = new Int32Array(steps * columns);
  codes.forEach((code, i) => {
    const row = Math.floor(i / columns);
    const shift = (perWord - 1 - Math.floor(row / steps)) * bits;
    words[row % steps * columns + i % columns]! |= code << shift;
  });
  return words;
}

testGoldenCases({
  family: hfHqq,
  settings,
  async inspect(store, settings, golden) {
    const [, , tokens, headDim] = golden.shape as [number, number, number, number];
    const layout = blockLayout(settings, { headDim }, tokens);
    const format = settings.paramDtype === "f16" ? "f16_pair" : "f32_pair";
    const { codes, scale, zero } = await blockContents(store, layout, format);
    const { groups, groupSize } = layout;
    // Groups are the rows of the official matrix on axis 1, its columns on axis 0.
    const matrix = settings.order === "flat" ? codes : transposed(codes, groups, groupSize);
    const [rows, columns] = settings.order === "flat" ? [groups, groupSize] : [groupSize, groups];
    const packed = golden.tensor("packed") === undefined
      ? {}
      : { packed: officialWords(matrix, rows, columns, settings.bits[0]!) };
    return { codes: matrix, scale, zero, ...packed };
  },
});
