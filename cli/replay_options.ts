/**
 * From the arguments of a replay command to checked options.
 *
 * @module
 */
import { MOST_BUDGET_BITS } from "../policies/check.ts";
import { LARGEST_GROUP } from "../policies/group_size.ts";
import { parseArgs } from "@std/cli/parse-args";
import {
  type DataLimits,
  DEFAULT_DATA_LIMITS,
  MOST_LINE_BYTES,
} from "../benchmarks/data_limits.ts";
import { isSliceName, type SliceName, sliceNames } from "../benchmarks/slices.ts";
import { DEFAULT_CACHE_LIMIT } from "../evaluation/cache/cache_folder.ts";
import { MOST_SEEDS } from "../evaluation/most_seeds.ts";
import { BYTES_PER_POSITION } from "../evaluation/text_limit.ts";
import type { Device, Precision } from "../engine/devices/open.ts";
import { OPTIONS, type ValueOption, valueOptions } from "./option_table.ts";
import {
  CALIBRATION_DATA_EXAMPLES,
  calibrationDataOf,
  type CalibrationDataOptions,
} from "./calibration_data_options.ts";
import { type ChosenPolicies, chosenPolicies } from "./chosen_policies.ts";
import { DEVICES, OptionValues, PRECISIONS, refuseUnknown } from "./option_values.ts";
import {
  QUANTIZER_EXAMPLES,
  type QuantizerOptions,
  quantizerOptionsOf,
} from "./quantizer_options.ts";
import { UsageError } from "./usage_error.ts";

/** Checked options of a replay. */
export interface ReplayOptions extends ChosenPolicies, CalibrationDataOptions, QuantizerOptions {
  readonly slices: readonly SliceName[];
  /** Calibration file of the user's. */
  readonly calibration?: string;
  /** Table of the user's for `kvtuner_kivi`. */
  readonly kvtunerTable?: string;
  /** Embedded model, path of a folder or GGUF file, or name on the hub. */
  readonly model: string;
  /** Folder whose tokenizer takes the place of the model's own. */
  readonly tokenizer?: string;
  /** File of the user's that replaces the embedded slice. */
  readonly data?: string;
  /** What that file may hold. */
  readonly dataLimits: DataLimits;
  /** Bytes of a text for each position that the model has for it. */
  readonly bytesPerPosition: number;
  readonly device: Device;
  /** What the model computes in. */
  readonly precision: Precision;
  /** Number of examples, from the first. */
  readonly limit?: number;
  readonly maxNewTokens?: number;
  /** Whether replies are also decoded from the policy's own cache. */
  readonly generate: boolean;
  readonly budgetBits: number;
  readonly seed: number;
  /** Seeds from that one on, for policies that draw at random. */
  readonly seeds: number;
  /** Folder for result files. */
  readonly out?: string;
  readonly stepwise: boolean;
  /** Whether the buffers behind the reported memory are counted and printed. */
  readonly audit: boolean;
  /** Whether anything is kept on disk for later runs. */
  readonly cache: boolean;
  /** Bytes that all of them may take. */
  readonly cacheLimit: number;
  readonly quiet: boolean;
}

/**
 * Parses the arguments of a replay command.
 *
 * @param target a slice, or `all` for the three of them
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the option, the value and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseReplayOptions } from "./replay_options.ts";
 *
 * const options = parseReplayOptions("needle", ["--limit", "2", "--device=cpu"]);
 * assertEquals([options?.slices, options?.limit, options?.device], [["needle"], 2, "cpu"]);
 * ```
 */
export function parseReplayOptions(
  target: SliceName | "all",
  args: readonly string[],
): ReplayOptions | undefined {
  const parsed = parseArgs([...args], {
    string: [...valueOptions, "_"],
    boolean: ["stepwise", "audit", "cache", "quiet", "trust", "help"],
    negatable: ["cache"],
    collect: valueOptions,
    alias: { help: "h" },
    default: { cache: true },
    unknown: refuseUnknown(OPTIONS),
  });
  if (parsed.help) return undefined;
  const values = new OptionValues(parsed, EXAMPLES);
  if (values.text("data") !== undefined && target === "all") {
    throw new UsageError(
      `--data replaces one slice: use it with ${sliceNames.join(", ")}, not with all`,
    );
  }
  return replayOptionsOf(parsed, values, isSliceName(target) ? [target] : sliceNames);
}

/** Switches of a command line, and what may be given several times. */
export type ParsedSwitches =
  & Readonly<Record<"trust" | "stepwise" | "audit" | "cache" | "quiet", boolean>>
  & Readonly<Record<"policy" | "quantizer", readonly string[]>>;

/** The options that every replay has, read and checked. */
export function replayOptionsOf(
  parsed: ParsedSwitches,
  values: OptionValues<ValueOption>,
  slices: readonly SliceName[],
): ReplayOptions {
  const data = values.text("data");
  const out = values.text("out");
  const limit = values.integer("limit", 1);
  const maxNewTokens = values.integer("max-new-tokens", 1);
  const calibration = values.text("calibration");
  const kvtunerTable = values.text("kvtuner-table");
  const tokenizer = values.text("tokenizer");
  const groupSizes = values.integers("group-size", 1, LARGEST_GROUP);
  const chosen = chosenPolicies({
    policy: parsed.policy,
    ...(groupSizes === undefined ? {} : { groupSizes }),
    example: EXAMPLES.policy,
  });
  return {
    slices,
    ...chosen,
    ...quantizerOptionsOf(parsed, values, chosen.policies),
    ...(calibration === undefined ? {} : { calibration }),
    ...calibrationDataOf(values),
    ...(kvtunerTable === undefined ? {} : { kvtunerTable }),
    model: values.text("model") ?? "mini",
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(data === undefined ? {} : { data }),
    dataLimits: {
      lineBytes: values.integer("data-line-bytes", 1, MOST_LINE_BYTES) ??
        DEFAULT_DATA_LIMITS.lineBytes,
      answers: values.integer("data-answers", 1) ?? DEFAULT_DATA_LIMITS.answers,
    },
    bytesPerPosition: values.integer("text-bytes", 1) ?? BYTES_PER_POSITION,
    device: values.oneOf("device", DEVICES) ?? "auto",
    precision: values.oneOf("precision", PRECISIONS) ?? "float32",
    ...(limit === undefined ? {} : { limit }),
    ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
    generate: values.oneOf("mode", ["replay", "generate"]) === "generate",
    budgetBits: values.integer("budget-bits", 1, MOST_BUDGET_BITS) ?? 4,
    seed: values.integer("seed", 0, 2 ** 32 - 1) ?? 0,
    seeds: values.integer("seeds", 1, MOST_SEEDS) ?? 1,
    ...(out === undefined ? {} : { out }),
    stepwise: parsed.stepwise,
    audit: parsed.audit,
    cache: parsed.cache,
    cacheLimit: values.size("cache-limit") ?? DEFAULT_CACHE_LIMIT,
    quiet: parsed.quiet,
  };
}

/** A right value of every option, for messages. */
export const EXAMPLES = {
  policy: "kivi_overlap_2bit",
  "group-size": "64",
  ...QUANTIZER_EXAMPLES,
  calibration: "mini.calibration",
  ...CALIBRATION_DATA_EXAMPLES,
  "kvtuner-table": "my_table.yaml",
  model: "mini",
  tokenizer: "./Qwen2.5-0.5B-Instruct",
  data: "my_examples.jsonl",
  "data-line-bytes": "33554432",
  "data-answers": "5000",
  "text-bytes": "64",
  device: "cpu",
  precision: "float16",
  limit: "2",
  mode: "generate",
  "max-new-tokens": "16",
  "budget-bits": "4",
  seed: "0",
  seeds: "3",
  out: "results",
  "cache-limit": "8GiB",
} as const satisfies Record<ValueOption, string>;
