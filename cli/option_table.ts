/**
 * The options of the replay commands: one table from which they are parsed, listed and explained.
 *
 * @module
 */

import { DEFAULT_CALIBRATION_TOKENS } from "../calibration/chosen_texts.ts";

/** One option. */
export interface OptionRow {
  /** How its value is shown; absent for a switch. */
  readonly value?: string;
  /** What it does, for the help text. */
  readonly help: string;
}

/** The options that name the one model of a run. */
export const MODEL_OPTIONS = {
  model: {
    value: "NAME|DIR|FILE.gguf|OWNER/NAME",
    help:
      "embedded model, Hugging Face folder, GGUF file, or model of the hub, fetched before (default: mini)",
  },
  tokenizer: {
    value: "DIR",
    help: "take tokenizer.json and the chat template from there, not from the model",
  },
} as const satisfies Record<string, OptionRow>;

/** The options that say what is learned from offline. */
export const CALIBRATION_DATA_OPTIONS = {
  "calibration-data": {
    value: "FILE",
    help:
      "learn offline from these texts, not from the embedded set: a text file, or .jsonl with text, or prompt and target, and kind",
  },
  "calibration-tokens": {
    value: "N",
    help:
      `tokens of them to learn from at most, of each kind in turn (default: ${DEFAULT_CALIBRATION_TOKENS})`,
  },
} as const satisfies Record<string, OptionRow>;

/** The option that says where models run. */
export const DEVICE_OPTION = {
  device: {
    value: "auto|webgpu|webgpu-onnx|cpu|wasm",
    help: "where the model runs (default: auto)",
  },
} as const satisfies Record<string, OptionRow>;

/** The option that changes the groups of the policies. */
export const GROUP_OPTION = {
  "group-size": {
    value: "N[,...]",
    help: "groups of N entries for every policy that has groups, reported as POLICY@gN",
  },
} as const satisfies Record<string, OptionRow>;

/** The options that bring quantizers, and say how files of the user's are contained. */
export const QUANTIZER_OPTIONS = {
  quantizer: {
    value: "FILE[,FILE...]",
    help:
      "quantizers of yours, replayed behind the policies: each in two sandboxed processes, judged by the bytes it stores; in Python (with --python), by what it claims unless it encodes",
  },
  python: {
    value: "PATH",
    help:
      "interpreter of yours for files in Python, run inside bubblewrap with what it can import (default: Pyodide, the standard library alone)",
  },
  trust: {
    help: "run policy files in this process, and Python without bubblewrap; for debugging",
  },
  "policy-step-ms": {
    value: "N",
    help:
      "longest answer of a policy file to one step (default: 2000; of a quantizer to one message: 30000, in Python 60000)",
  },
  "policy-run-ms": {
    value: "N",
    help: "longest wait for a policy file in one run (default: 600000; quantizers: 3600000)",
  },
  "policy-memory-mib": {
    value: "N",
    help: "memory a policy file may add (default: 512; quantizers: 1024; with --python: 4096)",
  },
  "policy-message-bytes": {
    value: "N",
    help:
      "longest policy file, and longest reply of one (default: 4194304; a reply of a quantizer: 67108864)",
  },
  "policy-calibrations": {
    value: "N",
    help: "settings of a layer and kind that a policy file may have learned offline (default: 4)",
  },
  "policy-held-mib": {
    value: "N",
    help: "memory for what is learned and remembered for a policy file (default: 256)",
  },
  "policy-work-ms": {
    value: "N",
    help: "longest work of the evaluator for a policy file in one run (default: 3600000)",
  },
} as const satisfies Record<string, OptionRow>;

/** Every option of `kvreplay longbench`, `needle`, `reasoning` and `all`, without dashes. */
export const OPTIONS = {
  policy: {
    value: "NAME|FILE[,...]|all|engines",
    help:
      "policies to replay, in this order: built-ins, or files run in a sandbox; NAME@gN has groups of N (default: the six baselines and adaptive; all: every built-in; engines: the settings of engines)",
  },
  ...QUANTIZER_OPTIONS,
  ...MODEL_OPTIONS,
  data: { value: "FILE.jsonl", help: "replay these examples instead of the embedded slice" },
  "data-line-bytes": { value: "N", help: "longest line of that file (default: 16777216)" },
  "data-answers": { value: "N", help: "right answers that an example may have (default: 1000)" },
  "text-bytes": {
    value: "N",
    help: "longest text of an example, in bytes for each position of the model (default: 16)",
  },
  ...DEVICE_OPTION,
  precision: {
    value: "float32|float16",
    help: "what the model computes in; float16 needs a GPU that has it (default: float32)",
  },
  limit: { value: "N", help: "only the first N examples" },
  mode: {
    value: "replay|generate",
    help:
      "generate: also decode every reply from the policy's own cache, errors adding up (default: replay)",
  },
  "max-new-tokens": { value: "N", help: "longest answer in tokens (default: the slice's own)" },
  "budget-bits": { value: "N", help: "widest code a policy may choose, 1 to 8 (default: 4)" },
  ...GROUP_OPTION,
  calibration: {
    value: "FILE",
    help: "read what was learned offline from here if it exists, else write it there",
  },
  ...CALIBRATION_DATA_OPTIONS,
  "kvtuner-table": {
    value: "FILE",
    help: "table of code widths for kvtuner_kivi, YAML or JSON in KVTuner's format",
  },
  seed: { value: "N", help: "seed of everything drawn at random (default: 0)" },
  seeds: {
    value: "N",
    help:
      "run what draws at random (rotations) under N seeds, from that one on, and print mean and spread (default: 1)",
  },
  out: {
    value: "DIR",
    help:
      "write metrics.json, metrics.csv, steps.jsonl, head_errors.csv, manifest.json and lm_eval/ (for viewers of lm-evaluation-harness) there",
  },
  stepwise: { help: "one pass through the model per step: slow, and the same numbers" },
  audit: { help: "print the buffers behind peak_kv_memory_mb; fail if they do not add up to it" },
  "cache-limit": {
    value: "SIZE",
    help: "disk that all that is kept for later runs may take (default: 8GiB)",
  },
  "no-cache": { help: "run the reference anew and keep nothing on disk" },
  quiet: { help: "no table, no progress bar, no remarks; failures are still told" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

/** Name of an option, without dashes. */
export type OptionName = keyof typeof OPTIONS;

/** Names of the options that take a value. */
export const valueOptions = (Object.keys(OPTIONS) as OptionName[])
  .filter((name): name is ValueOption => "value" in OPTIONS[name]);

/** An option that takes a value. */
export type ValueOption = {
  [K in OptionName]: (typeof OPTIONS)[K] extends { value: string } ? K : never;
}[OptionName];
