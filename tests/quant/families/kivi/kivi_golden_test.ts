import type { AffineSettings } from "../../../../quant/stores/affine/affine_settings.ts";
import type { KvKind } from "../../../../quant/family.ts";
import { kivi } from "../../../../quant/families/kivi/kivi.ts";
import { type AffineContents, affineContents } from "../../stores/affine/affine_contents.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { type Golden, testGoldenCases } from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

interface KiviCase {
  readonly bits: number;
  readonly k_bits: number;
  readonly v_bits: number;
  readonly group_size: number;
  readonly residual_length: number;
  readonly axis: "channel" | "token";
  readonly compute_dtype: "float32" | "float16";
}

function settings(golden: Golden, kind: KvKind): AffineSettings {
  const params = golden.params as unknown as KiviCase;
  const [, heads, , headDim] = golden.shape as [number, number, number, number];
  const stream = golden.kind === "stream";
  const bits = stream ? (kind === "key" ? params.k_bits : params.v_bits) : params.bits;
  const resolved = settingsFor(
    kivi,
    answers(kind, {
      bits: Array(heads).fill(bits),
      axis: stream ? (kind === "key" ? "channel" : "token") : params.axis,
      groupSize: params.group_size,
      residualLength: params.residual_length ?? 0,
    }),
    { heads, headDim },
  );
  return params.compute_dtype === "float16"
    ? { ...resolved, arithmetic: "f16" }
    : { ...resolved, paramDtype: "f32" };
}

/**
 * The words of quant/new_pack.py, from unpacked codes: 32 / b consecutive codes of a channel
 * (`[heads, tokens * b / 32, headDim]`) or of a token (`[heads, tokens, headDim * b / 32]`).
 */
function officialWords(
  { codes }: AffineContents,
  { axis, bits: [bits] }: AffineSettings,
  golden: Golden,
): Int32Array {
  const [, heads, tokens, headDim] = golden.shape as [number, number, number, number];
  const perWord = 32 / bits!;
  const words = new Int32Array(codes.length / perWord);
  for (let head = 0; head < heads; head++) {
    for (let token = 0; token < tokens; token++) {
      for (let channel = 0; channel < headDim; channel++) {
        const along = axis === "channel" ? token : channel;
        const word = axis === "channel"
          ? (head * tokens / perWord + Math.floor(token / perWord)) * headDim + channel
          : Math.floor(((head * tokens + token) * headDim + channel) / perWord);
        const code = codes[(head * tokens + token) * headDim + channel]!;
        words[word] = words[word]! | code << (along % perWord * bits!);
      }
    }
  }
  return words;
}

testGoldenCases({
  family: kivi,
  settings,
  async inspect(store, settings, golden) {
    const contents = await affineContents(store, settings, golden.shape[3]!);
    const packed = golden.tensor("packed") === undefined
      ? {}
      : { packed: officialWords(contents, settings, golden) };
    return { ...contents, ...packed };
  },
});
