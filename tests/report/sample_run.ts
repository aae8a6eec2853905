import type { RunDescription } from "../../report/result_files.ts";

/** A run of a model of the hub. */
export const run: RunDescription = {
  contract: "1.1",
  model: "acme/Wide-0.1B@v1.0",
  model_hub: { name: "acme/Wide-0.1B", commit: "0123456789abcdef0123456789abcdef01234567" },
  chat_template: true,
  model_fingerprint: "abc",
  device: "cpu",
  gpu: null,
  precision: "float32",
  budget_bits: 4,
  seed: 0,
  seeds: 1,
  chat_date: "2026-01-01",
  stepwise: false,
  kvreplay: "0.1.0",
  deno: "2",
};
