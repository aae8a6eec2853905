/**
 * The options of the replay commands: one table from which they are parsed, listed and explained.
 *
 * @module
 */

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

/** The option that says where models run. */
export const DEVICE_OPTION = {
  device: { value: "auto|webgpu|cpu|wasm", help: "where the model runs (default: auto)" },
} as const satisfies Record<string, OptionRow>;

/** Every option of `kvreplay longbench`, `needle`, `reasoning` and `all`, without dashes. */
export const OPTIONS = {
  policy: {
    value: "NAME|FILE[,...]|all",
    help:
      "policies to replay, in this order: built-ins, or files run in a sandbox (default: the six baselines and adaptive; all: every built-in)",
  },
  trust: { help: "run policy files in this process, without the sandbox; for debugging" },
  "policy-step-ms": {
    value: "N",
    help: "longest answer of a policy file to one step (default: 2000)",
  },
  "policy-run-ms": {
    value: "N",
    help: "longest wait for a policy file in one run (default: 600000)",
  },
  "policy-memory-mib": { value: "N", help: "memory a policy file may add (default: 512)" },
  "policy-message-bytes": { value: "N", help: "longest reply of a policy file (default: 4194304)" },
  ...MODEL_OPTIONS,
  data: { value: "FILE.jsonl", help: "replay these examples instead of the embedded slice" },
  ...DEVICE_OPTION,
  limit: { value: "N", help: "only the first N examples" },
  mode: {
    value: "replay|generate",
    help:
      "generate: also decode every reply from the policy's own cache, errors adding up (default: replay)",
  },
  "max-new-tokens": { value: "N", help: "longest answer in tokens (default: the slice's own)" },
  "budget-bits": { value: "N", help: "widest code a policy may choose, 1 to 8 (default: 4)" },
  calibration: {
    value: "FILE",
    help: "read what was learned offline from here if it exists, else write it there",
  },
  "kvtuner-table": {
    value: "FILE",
    help: "table of code widths for kvtuner_kivi, YAML or JSON in KVTuner's format",
  },
  seed: { value: "N", help: "seed of everything drawn at random (default: 0)" },
  out: { value: "DIR", help: "write metrics.json, metrics.csv and steps.jsonl there" },
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
