import { unpackRow } from "../../../../quant/packing/bit_packing.ts";
import type { Calibration } from "../../../../quant/calibration.ts";
import { turboquant } from "../../../../quant/families/turboquant/turboquant.ts";
import { turboquantLayout } from "../../../../quant/families/turboquant/turboquant_settings.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { testGoldenCases } from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

testGoldenCases({
  family: turboquant,
  settings(golden, kind) {
    const { bits, variant } = golden.params as { bits: number; variant: "mse" | "prod" };
    const [, heads, , headDim] = golden.shape as [number, number, number, number];
    const given = answers(kind, { bits: Array(heads).fill(bits), options: { variant } });
    const tables: Calibration = Object.fromEntries(
      ["rotation", "centroids", "projection"].flatMap((name) => {
        const tensor = golden.tensor(name);
        return tensor === undefined ? [] : [[name, Float32Array.from(tensor.data)]];
      }),
    );
    const settings = settingsFor(turboquant, given, { heads, headDim });
    return { ...settings, paramDtype: "f32", calibration: tables };
  },
  async inspect(store, settings, golden) {
    const [, heads, tokens, headDim] = golden.shape as [number, number, number, number];
    const [packed, norms] = await store.contents();
    const layout = turboquantLayout(settings);
    const floats = new Float32Array(norms!.words.buffer);
    const codes = new Uint8Array(heads * tokens * headDim);
    const found = { norms: new Float32Array(heads * tokens), residual_norms: new Float32Array() };
    if (settings.variant === "prod") found.residual_norms = new Float32Array(heads * tokens);
    const row = new Int32Array(headDim);
    const perHead = layout.tokenNorms / heads;
    for (let head = 0; head < heads; head++) {
      for (let token = 0; token < tokens; token++) {
        const word = token * layout.tokenWords + layout.wordOffsets[head]!;
        unpackRow(packed!.words, word, headDim, settings.bits[head]!, row);
        codes.set(row, (head * tokens + token) * headDim);
        const at = token * layout.tokenNorms + head * perHead;
        found.norms[head * tokens + token] = floats[at]!;
        if (perHead === 2) found.residual_norms[head * tokens + token] = floats[at + 1]!;
      }
    }
    return { codes, ...found };
  },
});
