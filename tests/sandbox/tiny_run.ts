/**
 * A whole slice run, from reference to metrics, that takes milliseconds: real quantizers and the real
 * loop over a synthetic model whose predictions depend on every entry it is shown.
 */
import { Calibrator } from "../../calibration/calibrator.ts";
import { CpuBackend } from "../../quant/backend_cpu.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import type { PolicyHost } from "../../policies/host.ts";
import type { ForwardInput, ForwardOutput } from "../../engine/engine.ts";
import { builtInFamilies } from "../../quant/registry.ts";
import type { SliceResult } from "../../evaluation/results.ts";
import { foldedLogits } from "../../evaluation/trial_engine.ts";
import { runSlice, type SliceRun } from "../../evaluation/slice_run.ts";
import { plainRotary } from "../../engine/rotary.ts";
import { SyntheticEngine } from "../engine/synthetic_engine.ts";

const VOCAB = 16;

class TinyEngine extends SyntheticEngine {
  override readonly backend = new CpuBackend();

  constructor() {
    super({ headDim: 64, vocab: VOCAB, maxPositions: 128, rotary: plainRotary(64, 10_000) });
  }

  override async forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const { layers } = await super.forward(input);
    return { logits: foldedLogits(input, VOCAB), layers };
  }
}

/** What families learn from in such a run. */
export function tinyCalibrator(): Calibrator<CpuTensor> {
  const ids = Array.from({ length: 30 }, (_, i) => i * 7 % VOCAB);
  return new Calibrator({
    engine: new TinyEngine(),
    families: builtInFamilies,
    samples: [{ ids, reply: 4 }],
  });
}

/** Two short examples under the given policies. */
export function tinySlice(hosts: readonly PolicyHost[]): SliceRun<CpuTensor> {
  return {
    slice: "tiny",
    engine: new TinyEngine(),
    families: builtInFamilies,
    examples: [40, 55].map((tokens) => ({
      id: `tiny-${tokens}`,
      dataset: "synthetic",
      prompt: Array.from({ length: tokens }, (_, i) => (i * 5 + tokens) % VOCAB),
      score: (answer) => answer.length > 0 ? 1 : 0,
    })),
    hosts,
    maxNewTokens: 6,
    budgetBits: 4,
    eosIds: [],
    decode: (ids) => ids.join(" "),
    stepwise: false,
  };
}

/** Runs them. */
export async function tinyRun(hosts: readonly PolicyHost[]): Promise<SliceResult> {
  return await runSlice(tinySlice(hosts));
}

/** The numbers of one policy without its timings, to compare runs with. */
export function numbersOf({ results }: SliceResult, policy: string): Record<string, number> {
  const found = results.find((result) => result.policy === policy);
  if (found === undefined) throw new Error(`no result of ${policy}`);
  const numbers: Record<string, number> = { ...found.numbers };
  for (const timing of ["decode_tokens_per_s", "prefill_latency_ms", "calibration_cost_s"]) {
    delete numbers[timing];
  }
  return numbers;
}
