/**
 * `qaq_attention` and `qaq_uniform`: QAQ (Dong et al., 2024, arXiv 2403.04643). Its repository
 * explores a grid and names no single setting (ClubieDong/QAQ-KVCacheQuantization at f8d47e0,
 * experiments/grid_search.py); both policies take points of that grid: head level, uniform method,
 * not symmetric, 1% of outliers.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

const shared = {
  quantizer_family: () => "qaq",
  choose_axis: () => "token",
  residual_length: () => 0,
  quantization_level: () => "head",
  quantization_method: () => "uniform",
  symmetric: () => false,
  outliers_ratio: () => 0.01,
  calibration_mode: () => "none",
} satisfies Partial<Policy>;

/** Widths of 2 to 4 bits by attention: last row, target error 3, query norm 300. */
export const qaqAttention = (): Policy => ({
  ...shared,
  // The family chooses between these widths; it asks for none here.
  choose_bits: (_layer, _kind, _head, _stats, budget) => Math.min(4, budget.budget_bits),
  use_attentions: () => true,
  bit_range: (_layer, _kind, _request, budget) => [
    Math.min(2, budget.budget_bits),
    Math.min(4, budget.budget_bits),
  ],
  last_n_attentions: () => 1,
  target_quantization_error: () => 3,
  q_norm: () => 300,
});

/** Two bits everywhere, the larger of the grid's fixed widths. */
export const qaqUniform = (): Policy => ({ ...shared, choose_bits: () => 2 });
