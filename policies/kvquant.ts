/**
 * `kvquant_nuq4_1pct` and `kvquant_nuq2_1pct`: KVQuant (Hooper et al., 2024, arXiv 2401.18079) with
 * 1% of outliers kept apart, keys before RoPE per channel, values per token, codebooks learned
 * offline (SqueezeAILab/KVQuant at 57a2383).
 *
 * Four bits: the recipe of quant/README.md (`--abits 4 --nuq --include_sparse
 * --sparsity-threshold 0.99`), without its Fisher weights, which need gradients. Two bits: as its
 * 2-bit checkpoints, with the first token exact (`--first_few_fp16 1`) and Q-Norm (`--norm`).
 *
 * @module
 */
import type { Policy } from "./policy.ts";

const shared = {
  quantizer_family: () => "kvquant",
  choose_axis: (_layer, kind) => kind === "key" ? "channel" : "token",
  residual_length: () => 0,
  outliers_ratio: () => 0.01,
  calibration_mode: () => "offline",
} satisfies Partial<Policy>;

/** nuq4-1%. */
export const kvquantNuq4 = (): Policy => ({ ...shared, choose_bits: () => 4 });

/** nuq2-1% with Q-Norm and an attention sink. */
export const kvquantNuq2 = (): Policy => ({
  ...shared,
  choose_bits: () => 2,
  sink_tokens: () => 1,
  family_options: () => ({ q_norm: true }),
});
