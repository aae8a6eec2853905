/**
 * What users of engines switch on, and the built-in policy that replays it. docs/engines.md has the same
 * table, with what is not the same.
 *
 * @module
 */
import type { PolicyName } from "./registry.ts";

/** One setting of an engine. */
export interface EngineSetting {
  /** The engine, as its users call it. */
  readonly engine: EngineName;
  /** What is given to it: command-line flags, or where its configuration has it. */
  readonly flags: string;
  /** The policy that replays it. */
  readonly policy: PolicyName;
}

/** Engines by name, and what is given to each, the widest settings first. */
const FLAGS = {
  "llama.cpp": {
    llamacpp_q8_0: "--cache-type-k q8_0 --cache-type-v q8_0",
    llamacpp_q8_0_q5_1: "--cache-type-k q8_0 --cache-type-v q5_1",
    llamacpp_q5_1: "--cache-type-k q5_1 --cache-type-v q5_1",
    llamacpp_q4_0: "--cache-type-k q4_0 --cache-type-v q4_0",
    llamacpp_q4_0_unrotated:
      "LLAMA_ATTN_ROT_DISABLE=1 with --cache-type-k q4_0 --cache-type-v q4_0",
  },
  vllm: {
    vllm_fp8_e4m3: "--kv-cache-dtype fp8",
    vllm_fp8_e5m2: "--kv-cache-dtype fp8_e5m2",
    vllm_int8_token_head: "--kv-cache-dtype int8_per_token_head",
  },
  sglang: { sglang_fp4: "--kv-cache-dtype fp4_e2m1" },
  lmdeploy: { lmdeploy_int8: "--quant-policy 8", lmdeploy_int4: "--quant-policy 4" },
  "tensorrt-llm": { trtllm_nvfp4: "kv_cache_config.dtype: nvfp4" },
  mlx: {
    mlx_kv8: "--kv-bits 8 --quantized-kv-start 0",
    mlx_kv4: "--kv-bits 4 --quantized-kv-start 0",
  },
  onnxruntime: {
    ort_webgpu_kv8: "ep.webgpuexecutionprovider.kvCacheQuantizationBits=8",
    ort_webgpu_kv4: "ep.webgpuexecutionprovider.kvCacheQuantizationBits=4",
  },
} as const satisfies Readonly<Record<string, Partial<Record<PolicyName, string>>>>;

/** Name of an engine. */
export type EngineName = keyof typeof FLAGS;

/** Names of the engines. */
export const engineNames: readonly EngineName[] = Object.keys(FLAGS) as EngineName[];

/** Every setting, engine by engine. */
export const engineSettings: readonly EngineSetting[] = engineNames.flatMap((engine) =>
  Object.entries<string>(FLAGS[engine]).map(([policy, flags]) => ({
    engine,
    flags,
    policy: policy as PolicyName,
  }))
);
