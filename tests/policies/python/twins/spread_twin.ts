/** What spread.py and spread_numpy.py do, in TypeScript. */
import type { BudgetState, Policy, RequestMeta, TokenStats } from "@kvreplay/kvreplay/policies";

export default class implements Policy {
  quantizer_family() {
    return "kivi";
  }

  choose_bits(
    _layer: number,
    _kind: string,
    _head: number,
    stats: TokenStats,
    budget: BudgetState,
  ) {
    const spread = stats.channel_range_max / (1e-6 + stats.std);
    return Math.min(Math.log2(1e-6 + spread) >= 3 ? 4 : 2, budget.budget_bits);
  }

  choose_axis(_layer: number, kind: "key" | "value"): "channel" | "token" {
    return kind === "key" ? "channel" : "token";
  }

  residual_length(_layer: number, { prompt_tokens }: RequestMeta) {
    return 32 * Math.min(4, Math.max(1, Math.floor(prompt_tokens / 512)));
  }

  group_size() {
    return 32;
  }

  calibration_mode(): "none" {
    return "none";
  }
}
