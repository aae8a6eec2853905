/**
 * `llamacpp_q8_0`, `llamacpp_q8_0_q5_1`, `llamacpp_q5_1`, `llamacpp_q4_0` and
 * `llamacpp_q4_0_unrotated`: what llama.cpp, Ollama and LM Studio store when they are started with
 * `--cache-type-k` and `--cache-type-v` (ggml-org/llama.cpp, common/arg.cpp, src/llama-kv-cache.cpp).
 * Rows are rotated, as by default since ggml-org/llama.cpp#21038; `_unrotated` is
 * `LLAMA_ATTN_ROT_DISABLE=1`.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

/** Code widths of the types. */
const WIDTHS = { q8_0: 8, q5_1: 5, q4_0: 4 };

type CacheType = keyof typeof WIDTHS;

function llamacppCache(key: CacheType, value: CacheType, rotate = true): Policy {
  const types = { key, value };
  return {
    outside_budget: true,
    quantizer_family: () => "ggml",
    choose_bits: (_layer, kind) => WIDTHS[types[kind]],
    choose_axis: () => "token",
    residual_length: () => 0,
    family_options: (_layer, kind) => ({ type: types[kind], rotate }),
    calibration_mode: () => "none",
  };
}

/** `--cache-type-k q8_0 --cache-type-v q8_0`. */
export const llamacppQ8_0 = (): Policy => llamacppCache("q8_0", "q8_0");
/** `--cache-type-k q8_0 --cache-type-v q5_1`: keys suffer more. */
export const llamacppQ8_0Q5_1 = (): Policy => llamacppCache("q8_0", "q5_1");
/** `--cache-type-k q5_1 --cache-type-v q5_1`. */
export const llamacppQ5_1 = (): Policy => llamacppCache("q5_1", "q5_1");
/** `--cache-type-k q4_0 --cache-type-v q4_0`. */
export const llamacppQ4_0 = (): Policy => llamacppCache("q4_0", "q4_0");
/** The same with `LLAMA_ATTN_ROT_DISABLE=1`. */
export const llamacppQ4_0Unrotated = (): Policy => llamacppCache("q4_0", "q4_0", false);
