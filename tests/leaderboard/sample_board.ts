/**
 * A board of made-up cells with the spread of real ones: twenty policies, three slices, two models.
 * Drawn from a seed, so that every test sees the same numbers.
 */
import { summarize } from "../../replay/metric.ts";
import { Board } from "../../leaderboard/board.ts";
import type { Cell, CellExample } from "../../leaderboard/cell.ts";
import { randomSource, seedFor } from "../../quant/numerics/random.ts";

/** Stored bits per element, squared cache error, and how far the logits move, of one policy. */
const POLICIES: readonly (readonly [string, number, number, number, number])[] = [
  ["reference", 16, 0, 0, 16],
  ["uniform_quant_4bit", 4.5, 0.009, 0.02, 4],
  ["uniform_quant_2bit", 2.5, 0.22, 0.35, 2],
  ["kivi_overlap_4bit", 5.55, 0.0045, 0.006, 4],
  ["kivi_overlap_2bit", 3.65, 0.11, 0.07, 2],
  ["skvq_overlap_2bit", 3.19, 0.24, 0.11, 2],
  ["qaq_attention", 6.1, 0.02, 0.012, 4],
  ["qaq_uniform", 4.8, 0.03, 0.03, 4],
  ["kvquant_nuq4_1pct", 4.9, 0.006, 0.004, 4],
  ["kvquant_nuq2_1pct", 2.9, 0.1, 0.06, 2],
  ["hf_quanto_4bit", 4.7, 0.011, 0.018, 4],
  ["hf_quanto_2bit", 2.8, 0.2, 0.3, 2],
  ["hf_hqq_4bit", 4.7, 0.01, 0.017, 4],
  ["hf_hqq_2bit", 2.8, 0.18, 0.24, 2],
  ["kvtuner_kivi", 4.1, 0.03, 0.016, 4],
  ["squat_2bit", 3.7, 0.1, 0.05, 2],
  ["squat_4bit", 5.6, 0.004, 0.005, 4],
  ["turboquant_3bit", 3.25, 0.035, 0.02, 3],
  ["turboquant_2bit", 2.25, 0.12, 0.08, 2],
  ["skvq_full_2bit", 2.7, 0.12, 0.065, 2],
  ["adaptive", 3.1, 0.03, 0.008, 3],
  ["adaptive_2bit", 2.4, 0.08, 0.03, 2],
];

const SLICES = {
  longbench: { tokens: 1500, longest: 9, datasets: ["hotpotqa", "multifieldqa_en"] },
  needle: { tokens: 1900, longest: 20, datasets: ["passkey", "niah_multikey", "line_retrieval"] },
  reasoning: { tokens: 420, longest: 48, datasets: ["stem_open", "stem_mc"] },
} as const;

const SHAPE = { layers: 8, kvHeads: 2, headDim: 64 };

/** Models of the sample board. */
export const MODELS = ["mini", "mini-outlier"] as const;

/** Policies of the sample board. */
export const POLICY_NAMES: readonly string[] = POLICIES.map(([name]) => name);

/** One made-up cell. */
export function sampleCell(model: string, slice: string, name: string): Cell {
  const [policy, bits, error, move, width] = POLICIES.find((p) => p[0] === name)!;
  const random = randomSource(seedFor(11, `${model} ${slice} ${policy}`));
  const share = () => random.below(1 << 24) / (1 << 24);
  const fragile = model === "mini-outlier" && /^(uniform|skvq_overlap|hf_)/.test(policy) ? 8 : 1;
  const { tokens, longest, datasets } = SLICES[slice as keyof typeof SLICES];
  const examples: CellExample[] = Array.from({ length: 32 }, (_, i) => {
    // The same for every policy: length, dataset and depth belong to the example.
    const own = randomSource(seedFor(12, `${slice} ${i}`));
    const count = 2 + own.below(longest - 1);
    const dataset = datasets[i % datasets.length]!;
    const depth = own.below(10_001) / 10_000;
    const prompt = tokens * (0.3 + 0.7 * i / 31);
    const chance = Math.min(0.9, move * fragile * (slice === "reasoning" ? 0.2 : 0.6));
    const steps = Array.from({ length: count }, (_, step) => {
      const elements = 2 * SHAPE.layers * SHAPE.kvHeads * SHAPE.headDim *
        Math.round(prompt + step);
      const kl = policy === "reference" ? 0 : move * fragile * (0.05 + share() ** 3);
      return {
        step,
        token: share() < chance ? 7 : 9,
        referenceToken: 9,
        kl,
        squaredError: error * (0.9 + 0.2 * share()),
        bytes: Math.ceil(elements * (bits + (bits < 16 ? 1.5 * 300 / prompt : 0)) / 8),
        elements,
        codes: elements,
        codeBits: elements * width,
      };
    });
    const right = steps.every((s) => s.token === s.referenceToken);
    const known = slice !== "longbench" || own.below(10) > 0;
    return {
      id: `${slice}-${String(i).padStart(3, "0")}`,
      dataset,
      ...(slice === "needle" && dataset !== "niah_multikey" ? { depth } : {}),
      score: known && right ? 1 : 0,
      referenceScore: known ? 1 : 0,
      steps,
      seconds: count / (60 + 100 * share()),
      prefillMs: 200 + tokens / 10,
    };
  });
  return {
    key: {
      contract: "1.1",
      model,
      model_hash: "a".repeat(64),
      slice,
      slice_hash: "b".repeat(64),
      policy,
      source_hash: "c".repeat(64),
      engine: "cpu",
      budget_bits: 4,
      max_new_tokens: longest,
      limit: null,
      seed: 1,
      calibration_set: "d".repeat(64),
    },
    model_hub: null,
    chat_template: true,
    outside_budget: false,
    claimed: false,
    numbers: summarize(examples, { referenceQuality: 100 }),
    slice_examples: 32,
    refused: [],
    examples,
    widths: Array.from(
      { length: SHAPE.layers },
      (_, layer) =>
        ["key", "value"].map((kind) =>
          Array.from({ length: SHAPE.kvHeads }, (_, head) => {
            if (policy === "kvtuner_kivi") return layer % 3 === 0 && kind === "key" ? 4 : 2;
            if (!policy.startsWith("adaptive")) return width;
            if (kind === "value") return layer < 2 && slice === "longbench" ? 2 : width - 1;
            return layer === 0 || layer === 7 ? 4 : width - (head === 1 && layer > 3 ? 1 : 0);
          })
        ),
    ),
    calibration: policy.startsWith("adaptive")
      ? [{ samples: 12, tokens: 20_422, sha256: "d".repeat(64) }]
      : [],
    ignored_hooks: policy === "qaq_uniform" ? ["clip_ratio"] : [],
    deviations: policy.startsWith("kvquant") ? ["kvquant: the codebook is NormalFloat"] : [],
    environment: {
      started: 1_790_000_000,
      seconds: 12.5,
      machine: "linux x86_64, 2 cores",
      deno: "2.9.6",
      commit: "0123456789abcdef0123456789abcdef01234567",
    },
  };
}

/** The whole sample board; `policies` and `models` cut it down. */
export function sampleBoard(
  policies: readonly string[] = POLICY_NAMES,
  models: readonly string[] = MODELS,
): Board {
  return new Board({
    cells: models.flatMap((model) =>
      (Object.keys(SLICES) as (keyof typeof SLICES)[]).flatMap((slice) =>
        policies.map((policy) => sampleCell(model, slice, policy))
      )
    ),
    failures: [],
    baseline: "kivi_overlap_4bit",
    seed: 1,
    resamples: 500,
  });
}
