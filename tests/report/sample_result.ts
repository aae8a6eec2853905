import type { SliceNumbers } from "../../replay/metric.ts";
import type { SliceResult } from "../../evaluation/results.ts";

/** Numbers of which every one differs. */
export const numbers: SliceNumbers = {
  quality_main: 98.25678,
  quality_delta_vs_ref: -1.74322,
  peak_kv_memory_mb: 3.2431640625,
  decode_tokens_per_s: 123.456,
  prefill_latency_ms: 45.6789,
  calibration_cost_s: 0,
  avg_bits_per_kv_token: 4.5,
  cache_error: 0.0945,
  greedy_match_ratio: 0.978102,
  replay_agreement: 0.99,
  task_score: 84.375,
  task_score_ref: 90.625,
  kv_compression_ratio: 3.5555555,
  code_bits: 4,
  steps: 2,
  examples: 1,
  examples_left_out: 1,
  constants_mb: 0.125,
  break_even_tokens: 77,
};

/** A slice of one example and two steps under two policies. */
export const result: SliceResult = {
  slice: "needle",
  results: ["reference", "kivi, 2 bit"].map((policy) => ({
    policy,
    outsideBudget: false,
    claimed: false,
    numbers,
    ignoredHooks: [],
    remarks: [],
    calibration: policy === "reference"
      ? []
      : [{ samples: 12, tokens: 20_422, sha256: "d".repeat(64) }],
    deviations: [],
    drawsAtRandom: false,
    widths: [[[4, 4], [2, 2]]],
    outcomes: [{
      id: "needle-000",
      dataset: "passkey",
      depth: 0.5,
      seconds: 0.25,
      score: 1,
      referenceScore: 1,
      reply: "12 34",
      referenceReply: "12 34",
      cut: false,
      referenceCut: false,
      prefillMs: 12,
      headErrors: [[
        [{ own: 0.5, ofLayer: 0.125 }, { own: 0.25, ofLayer: 0.125 }],
        [{ own: 0.25, ofLayer: 0.25 }, { own: 0, ofLayer: 0 }],
      ]],
      steps: [0, 1].map((step) => ({
        step,
        token: 7 + step,
        referenceToken: 7,
        kl: 0.125 * step,
        squaredError: 0.25,
        bytes: 1024 * (step + 1),
        elements: 2048,
        codes: 10,
        codeBits: 40,
      })),
    }],
  })),
  failures: [],
  notApplicable: [],
  refused: [{ id: "needle-001", reason: "too long" }],
};
