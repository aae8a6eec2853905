/**
 * A cell of the leaderboard: one policy on one slice with one model, everything that decided its
 * numbers, and the numbers.
 *
 * @module
 */
import type { CalibrationSetFacts } from "../calibration/calibration_file.ts";
import type { SliceNumbers, StepOutcome } from "../replay/metric.ts";
import type { BenchmarkOrigin } from "../evaluation/benchmarks/benchmark_slices.ts";
import type { HubSource } from "../evaluation/lab.ts";
import { sha256 } from "../engine/digest.ts";

/** Everything a cell's numbers depend on. Two cells with equal keys hold the same numbers. */
export interface CellKey {
  /** Version of the replay contract. */
  readonly contract: string;
  readonly model: string;
  /** Fingerprint of the loaded model: weights, configuration, graph, runtime. */
  readonly model_hash: string;
  readonly slice: string;
  /** SHA-256 of the slice's file. */
  readonly slice_hash: string;
  readonly policy: string;
  /** SHA-256 of the source that decides the numbers: policy, quantizers, replay, scorers. */
  readonly source_hash: string;
  readonly engine: "cpu" | "wasm" | "webgpu" | "webgpu-onnx";
  readonly budget_bits: number;
  readonly max_new_tokens: number;
  /** Examples asked for; null for the whole slice. */
  readonly limit: number | null;
  readonly seed: number;
  /** SHA-256 of the token ids that policies learn from. */
  readonly calibration_set: string;
}

/** One example of a cell. */
export interface CellExample {
  readonly id: string;
  readonly dataset: string;
  /** Where the answer lies in the context, 0..1, where the slice says. */
  readonly depth?: number;
  /** Score of the replayed answer and of the reference's, 0..1. */
  readonly score: number;
  readonly referenceScore: number;
  /** Wall time of quantize, restore and model step, in seconds. */
  readonly seconds: number;
  /** Wall time of the prefill, in milliseconds. */
  readonly prefillMs: number;
  readonly steps: readonly StepOutcome[];
}

/** Where and when a cell was run. */
export interface CellEnvironment {
  /** Seconds since 1970. */
  readonly started: number;
  readonly seconds: number;
  /** The machine in words: operating system, processor or adapter. */
  readonly machine: string;
  readonly deno: string;
  /** Commit of the project, or `unknown`. */
  readonly commit: string;
}

/** A finished cell. */
export interface Cell {
  readonly key: CellKey;
  /** Repository and commit of a model of the hub; null for any other. */
  readonly model_hub: HubSource | null;
  /** Whether prompts went through the model's chat template; a base model has none. */
  readonly chat_template: boolean;
  /** Where rows and wording came from, of a benchmark made of them, and its score of guessing, 0..100. */
  readonly benchmark?: BenchmarkOrigin & { readonly floor: number };
  readonly numbers: SliceNumbers;
  /** Examples that the slice holds, whether or not they were asked for. */
  readonly slice_examples: number;
  /** Examples that were asked for and left out, each with its one sentence. */
  readonly refused: readonly { readonly id: string; readonly reason: string }[];
  readonly examples: readonly CellExample[];
  /** Mean width in bits of the codes stored last, to half a bit: `widths[layer][kind][head]`. */
  readonly widths: readonly (readonly (readonly number[])[])[];
  /** What the policy learned from; nothing for one that learns nothing. */
  readonly calibration: readonly CalibrationSetFacts[];
  /** Whether the policy is outside the budget, and so outside the ranking. */
  readonly outside_budget: boolean;
  /** Whether its bits and memory are claimed and stored nowhere, so that it is not ranked either. */
  readonly claimed: boolean;
  /** Hooks the policy defines and its families do not use. */
  readonly ignored_hooks: readonly string[];
  /** Where its settings depart from the official rules of their families, as `family: what`. */
  readonly deviations: readonly string[];
  readonly environment: CellEnvironment;
}

const KEY_FIELDS: readonly (keyof CellKey)[] = [
  "contract",
  "model",
  "model_hash",
  "slice",
  "slice_hash",
  "policy",
  "source_hash",
  "engine",
  "budget_bits",
  "max_new_tokens",
  "limit",
  "seed",
  "calibration_set",
];

/** Whether two keys are equal, field by field. */
export function sameKey(a: CellKey, b: CellKey): boolean {
  return KEY_FIELDS.every((field) => a[field] === b[field]);
}

/**
 * File name of a cell: readable names first, then the first 16 digits of the key's SHA-256, so that
 * cells that differ in anything lie side by side.
 */
export async function cellFileName(key: CellKey): Promise<string> {
  const digest = await sha256(JSON.stringify(KEY_FIELDS.map((field) => key[field])));
  const safe = (name: string) => name.replaceAll(/[^A-Za-z0-9_-]+/g, "-").slice(-60);
  const names = [key.model, key.slice, key.policy].map(safe).join(".");
  return `${names}.${digest.slice(0, 16)}.json`;
}
