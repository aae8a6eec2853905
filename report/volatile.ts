/**
 * @module
 */

/**
 * Fields of result files whose values say when, where and how fast something was run. All others are
 * the same whenever the same is run again; every manifest lists these.
 */
export const VOLATILE: readonly string[] = [
  ...["decode_tokens_per_s", "prefill_latency_ms", "calibration_cost_s"],
  ...["prefill_ms", "replay_s", "prefillMs", "seconds", "total_evaluation_time_seconds"],
  ...["started", "finished", "date"],
  ...["machine", "machines", "gpu", "environment", "deno", "versions"],
  ...["commit", "cell_commits", "git_hash", "reused", "data"],
];
