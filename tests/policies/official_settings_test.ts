/** The built-in policies of the families that quantize like a published cache: what they resolve to. */
import { assertEquals } from "@std/assert";
import { askPolicy } from "../../policies/ask.ts";
import { checkAnswers } from "../../policies/check.ts";
import type { Policy } from "../../policies/policy.ts";
import { policies, type PolicyName } from "../../policies/registry.ts";
import { takenHooks } from "../../quant/declared.ts";
import type { OptionalHook } from "../../quant/hooks.ts";
import { builtInFamilies } from "../../quant/registry.ts";
import { settingsFor } from "../../quant/settings_for.ts";

const ASKED = {
  budget: {
    budget_bits: 4,
    used_bits: 0,
    remaining_bits: 4,
    step: 0,
    total_steps: null,
    layers: 8,
    kv_heads: 2,
    head_dim: 64,
  },
  request: {
    slice: "s",
    dataset: "d",
    prompt_tokens: 9,
    cache_tokens: 8,
    max_new_tokens: 4,
  },
  stats: () => {
    throw new Error("these policies read no statistics");
  },
};

/** Settings of layer 4 that must hold. */
const OFFICIAL: Readonly<Partial<Record<PolicyName, Readonly<Record<"key" | "value", object>>>>> = {
  hf_quanto_4bit: {
    key: { family: "hf_quanto", bits: [4, 4], order: "flat", groupSize: 64, residualLength: 128 },
    value: { family: "hf_quanto", bits: [4, 4], order: "flat", groupSize: 64, residualLength: 128 },
  },
  hf_quanto_2bit: { key: { bits: [2, 2] }, value: { bits: [2, 2] } },
  hf_hqq_4bit: {
    key: { family: "hf_hqq", bits: [4, 4], order: "flat", groupSize: 64, optimize: true },
    value: { residualLength: 128, joined: false },
  },
  hf_hqq_2bit: { key: { bits: [2, 2] }, value: { bits: [2, 2] } },
  kvtuner_kivi: {
    key: {
      family: "kvtuner",
      order: "channel",
      groupSize: 32,
      residualLength: 32,
      symmetric: false,
    },
    value: { order: "flat", groupSize: 32, residualLength: 32, symmetric: false },
  },
  squat_2bit: {
    key: {
      family: "squat",
      bits: [2, 2],
      axis: "channel",
      groupSize: 32,
      residualLength: 32,
      correction: {
        subspaceDim: 60,
        lambda: 0.001,
        blockChannels: 32,
        queryRope: "after",
        keyRope: "after",
      },
    },
    value: { axis: "token", groupSize: 32, residualLength: 32 },
  },
  squat_4bit: { key: { bits: [4, 4] }, value: { bits: [4, 4] } },
  turboquant_3bit: {
    key: { family: "turboquant", bits: [3, 3], variant: "mse", rotation: "qr", residualLength: 0 },
    value: { family: "turboquant", bits: [3, 3], variant: "mse", rotation: "qr" },
  },
  turboquant_2bit: { key: { bits: [2, 2] }, value: { bits: [2, 2] } },
  kvtc_8x: {
    key: { family: "kvtc", compression: 8, bits: [2, 2], residualLength: 128, sinkTokens: 4 },
    value: { family: "kvtc", compression: 8, residualLength: 128, sinkTokens: 4 },
  },
  kvtc_16x: { key: { compression: 16, bits: [1, 1] }, value: { compression: 16 } },
  kvtc_20x: { key: { compression: 20, bits: [1, 1] }, value: { compression: 20 } },
  aquakv_2bit: {
    key: {
      family: "aquakv",
      bits: [2, 2],
      firstLayerBits: 4,
      hadamardSize: 128,
      residualLength: 128,
      sinkTokens: 4,
    },
    value: { family: "aquakv", bits: [2, 2], residualLength: 128, sinkTokens: 4 },
  },
  aquakv_3bit: { key: { bits: [3, 3] }, value: { bits: [3, 3], firstLayerBits: 4 } },
  nova_2bit: {
    key: { family: "nova", bits: [2, 2], residualLength: 256, sinkTokens: 64 },
    value: { family: "nova", bits: [2, 2], valueClip: 0.92, residualLength: 256, sinkTokens: 64 },
  },
  llamacpp_q8_0: {
    key: { family: "ggml", bits: [8, 8], type: "q8_0", rotation: 64 },
    value: { family: "ggml", bits: [8, 8], type: "q8_0", rotation: 64 },
  },
  llamacpp_q8_0_q5_1: {
    key: { bits: [8, 8], type: "q8_0" },
    value: { bits: [5, 5], type: "q5_1", rotation: 64 },
  },
  llamacpp_q5_1: { key: { bits: [5, 5], type: "q5_1" }, value: { bits: [5, 5], type: "q5_1" } },
  llamacpp_q4_0: { key: { bits: [4, 4], type: "q4_0" }, value: { rotation: 64, type: "q4_0" } },
  llamacpp_q4_0_unrotated: { key: { type: "q4_0", rotation: 1 }, value: { rotation: 1 } },
  vllm_fp8_e4m3: {
    key: { family: "fp8", bits: [8, 8], format: "e4m3", scale: "one" },
    value: { family: "fp8", format: "e4m3", scale: "one" },
  },
  vllm_fp8_e5m2: { key: { format: "e5m2", scale: "one" }, value: { format: "e5m2" } },
  vllm_int8_token_head: {
    key: { family: "int_token_head", bits: [8, 8], symmetric: true, paramDtype: "f32" },
    value: { bits: [8, 8], symmetric: true, paramDtype: "f32" },
  },
  sglang_fp4: {
    key: { family: "mxfp4", bits: [4, 4], groupSize: 16, exponent: "ceil" },
    value: { family: "mxfp4", groupSize: 16, exponent: "ceil" },
  },
  lmdeploy_int8: {
    key: { family: "int_token_head", bits: [8, 8], symmetric: false, paramDtype: "f16" },
    value: { symmetric: false, paramDtype: "f16" },
  },
  lmdeploy_int4: { key: { bits: [4, 4], symmetric: false }, value: { bits: [4, 4] } },
  trtllm_nvfp4: {
    key: { family: "nvfp4", bits: [4, 4], levels: 2, calibrated: true },
    value: { levels: 2, calibrated: true },
  },
  mlx_kv4: {
    key: { family: "mlx", bits: [4, 4], groupSize: 64, start: 0, parameters: "f16" },
    value: { groupSize: 64, start: 0 },
  },
  mlx_kv8: { key: { bits: [8, 8], groupSize: 64 }, value: { bits: [8, 8], groupSize: 64 } },
  ort_webgpu_kv4: { key: { family: "ort_webgpu", bits: [4, 4] }, value: { bits: [4, 4] } },
  ort_webgpu_kv8: { key: { bits: [8, 8] }, value: { bits: [8, 8] } },
};

for (const [name, expected] of Object.entries(OFFICIAL)) {
  Deno.test(`${name} has its official settings, and no hook that is ignored`, () => {
    const policy = policies[name as PolicyName]();
    for (const raw of askPolicy(policy, ASKED).filter(({ layer }) => layer === 4)) {
      const answers = checkAnswers(raw, {
        heads: 2,
        budgetBits: 4,
        calibrationMode: policy.calibration_mode({} as never, ASKED.budget),
        fullPrecision: false,
        outsideBudget: (policy as Policy).outside_budget === true,
        families: builtInFamilies,
      });
      const family = builtInFamilies.of(raw.optional.quantizer_family as string);
      const settings = settingsFor(family, answers, { heads: 2, headDim: 64 });
      const wanted = expected[raw.kind];
      const found = Object.fromEntries(
        Object.keys(wanted).map((
          key,
        ) => [key, (settings as unknown as Record<string, unknown>)[key]]),
      );
      assertEquals(found, { ...wanted });
      const ignored = Object.keys(raw.optional)
        .filter((hook) =>
          hook !== "quantizer_family" && !takenHooks(family).includes(hook as OptionalHook)
        );
      assertEquals(ignored, []);
    }
  });
}
