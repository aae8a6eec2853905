/**
 * `kvtuner_kivi`: KVTuner (Li et al., 2025, arXiv 2502.04420; KexuanZhang/KVTuner at b26327b) with
 * its "KIVI" preset, per-channel keys and per-token values in groups of 32, a residual of 32 tokens,
 * with zero points (helper_scripts/sh_gen_presets.py, search_optuna_adaptive.py: per-channel-asym).
 * Widths per layer come from a table that was found offline; the built-in one is of the embedded
 * model (kvtuner_tables/README.md), another can be loaded.
 *
 * @module
 */
import miniTable from "./kvtuner_tables/mini_kivi_KVTuner3_0.yaml" with { type: "text" };
import { type KvtunerTable, parseKvtunerTable, tableWidth } from "./kvtuner_table.ts";
import type { Policy } from "./policy.ts";

/** What KVTuner quantizes with besides the table's widths. */
export type KvtunerPreset = "kivi" | "per_token";

/**
 * A policy that follows a table.
 *
 * @param preset `"kivi"`, or `"per_token"`: both axes per token, a whole head to a group, no residual
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { kvtunerPolicy } from "./kvtuner.ts";
 * import { parseKvtunerTable } from "./kvtuner_table.ts";
 *
 * const table = parseKvtunerTable("0: {nbits_key: 8, nbits_value: 4}", "my_table.yaml");
 * const policy = kvtunerPolicy(table, "per_token");
 * assertEquals(policy.choose_axis(0, "key"), "token");
 * ```
 */
export function kvtunerPolicy(table: KvtunerTable, preset: KvtunerPreset = "kivi"): Policy {
  const kivi = preset === "kivi";
  return {
    quantizer_family: () => "kvtuner",
    choose_bits: (layer, kind, head, _stats, budget) =>
      tableWidth(table, layer, kind, head, budget),
    choose_axis: (_layer, kind) => kivi && kind === "key" ? "channel" : "token",
    residual_length: () => kivi ? 32 : 0,
    group_size: () => kivi ? 32 : -1,
    symmetric: () => false,
    // The table was made offline; nothing is left to calibrate when the policy runs.
    calibration_mode: () => "offline",
  };
}

/** The built-in table under the KIVI preset. */
export const kvtunerKivi = (): Policy =>
  kvtunerPolicy(
    parseKvtunerTable(miniTable, "mini_kivi_KVTuner3_0.yaml"),
  );
