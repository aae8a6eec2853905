import { uniform } from "../../../../quant/families/uniform/uniform.ts";
import { affineContents } from "../../stores/affine/affine_contents.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { testGoldenCases } from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

testGoldenCases({
  family: uniform,
  settings(golden, kind) {
    const { bits, group_size } = golden.params as { bits: number; group_size: number };
    const [, heads, , headDim] = golden.shape as [number, number, number, number];
    const given = answers(kind, { bits: Array(heads).fill(bits), groupSize: group_size });
    return { ...settingsFor(uniform, given, { heads, headDim }), paramDtype: "f32" };
  },
  inspect: async (store, settings, golden) => ({
    ...await affineContents(store, settings, golden.shape[3]!),
  }),
});
