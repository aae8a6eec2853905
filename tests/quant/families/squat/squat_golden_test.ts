import type { KvKind } from "../../../../quant/family.ts";
import { squat } from "../../../../quant/families/squat/squat.ts";
import type { SquatSettings } from "../../../../quant/families/squat/squat_settings.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { type Golden, testGoldenCases } from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

interface SquatCase {
  readonly bits: number;
  readonly group_size: number;
  readonly quant_group_size: number;
  readonly subspace_dim: number;
  readonly lambda: number;
}

function settings(golden: Golden, kind: KvKind): SquatSettings {
  const params = golden.params as unknown as SquatCase;
  const [, heads, , headDim] = golden.shape as [number, number, number, number];
  const { bits, group_size, quant_group_size, subspace_dim, lambda } = params;
  const given = answers(kind, {
    bits: Array(heads).fill(bits),
    axis: "channel",
    groupSize: group_size,
    options: { quant_group_size, subspace_dim, lambda },
  });
  return { ...settingsFor(squat, given, { heads, headDim }), paramDtype: "f32" };
}

testGoldenCases({
  family: squat,
  settings,
  inspect: () => Promise.resolve({}),
  extend(source, golden, backend) {
    const { shape, data } = golden.tensor("queries")!;
    const [, heads, capacity, headDim] = shape as [number, number, number, number];
    const queries = backend.upload(Float32Array.from(data), { heads, capacity, headDim });
    return { ...source, queries };
  },
});
