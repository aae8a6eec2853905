import type { KvKind } from "../../../../quant/family.ts";
import { skvq } from "../../../../quant/families/skvq/skvq.ts";
import type { SkvqSettings } from "../../../../quant/families/skvq/skvq_settings.ts";
import { affineContents } from "../../stores/affine/affine_contents.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { type Golden, testGoldenCases } from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

interface SkvqCase {
  readonly bits: number;
  readonly group_size: number;
  readonly clip_ratio: number;
  readonly fp8_params: boolean;
  readonly reorder?: boolean;
  readonly axis?: "channel" | "token";
  readonly sink_tokens?: number;
  readonly residual_length?: number;
  readonly compute_dtype?: "float32" | "float16";
}

/** What calibration would have learned, from the tensors of a case. */
function arrangement(golden: Golden): Pick<SkvqSettings, "groups" | "calibration"> {
  const starts = Int32Array.from(golden.tensor("group_start")!.data);
  const order = Int32Array.from(golden.tensor("reorder_index")!.data);
  return { groups: starts.length - 1, calibration: { order, starts } };
}

function settings(golden: Golden, kind: KvKind): SkvqSettings {
  const params = golden.params as unknown as SkvqCase;
  const [, heads, , headDim] = golden.shape as [number, number, number, number];
  // 1.5 bits is the official name of three codes, which take two bits each when packed.
  const ternary = params.bits === 1.5;
  const resolved = settingsFor(
    skvq,
    answers(kind, {
      bits: Array(heads).fill(ternary ? 2 : params.bits),
      axis: params.axis ?? "token",
      ...(params.reorder
        ? { calibrationMode: "offline" as const }
        : { groupSize: params.group_size }),
      clipRatio: params.clip_ratio,
      residualLength: params.residual_length ?? 0,
      sinkTokens: params.sink_tokens ?? 0,
      options: { fp8_params: params.fp8_params, reorder: params.reorder ?? false },
    }),
    { heads, headDim },
  );
  const arranged = params.reorder ? arrangement(golden) : {};
  const codes = ternary ? { topCodes: Array(heads).fill(2) } : {};
  if (params.compute_dtype === "float16") return { ...resolved, ...codes, arithmetic: "f16" };
  return { ...resolved, ...codes, ...arranged, paramDtype: params.fp8_params ? "fp8" : "f32" };
}

testGoldenCases({
  family: skvq,
  settings,
  inspect: async (store, settings, golden) =>
    // The case of reordered channels has no codes or parameters to compare.
    settings.reorder ? {} : { ...await affineContents(store, settings, golden.shape[3]!, true) },
});
