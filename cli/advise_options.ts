/**
 * From the arguments of `kvreplay advise` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type SliceName, sliceNames } from "../benchmarks/slices.ts";
import type { Device, Precision } from "../engine/devices/open.ts";
import { type EngineName, engineNames } from "../policies/engine_settings.ts";
import {
  CALIBRATION_DATA_EXAMPLES,
  calibrationDataOf,
  type CalibrationDataOptions,
} from "./calibration_data_options.ts";
import {
  CALIBRATION_DATA_OPTIONS,
  DEVICE_OPTION,
  MODEL_OPTIONS,
  type OptionRow,
} from "./option_table.ts";
import {
  DEVICES,
  givenOperands,
  known,
  OptionValues,
  PRECISIONS,
  refuseUnknownOptions,
} from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** What stands behind the command. */
export const ADVISE_OPERAND = "MODEL";

const [MOST_LOSS, CONTEXT, LIMIT] = [1, 8192, 8];

/** Every option of `kvreplay advise`, without dashes. */
export const ADVISE_OPTIONS = {
  engine: {
    value: "NAME[,...]",
    help: `engines whose settings are replayed: ${engineNames.join(", ")} (default: all)`,
  },
  loss: {
    value: "N",
    help: `points of quality_main that may be lost, 0 to 100 (default: ${MOST_LOSS})`,
  },
  context: { value: "N", help: `tokens that memory is told for (default: ${CONTEXT})` },
  slice: { value: "NAME[,...]", help: `slices to replay (default: ${sliceNames.join(", ")})` },
  data: { value: "FILE.jsonl", help: "replay these questions instead, in LongBench's fields" },
  limit: { value: "N", help: `only the first N examples of each (default: ${LIMIT})` },
  tokenizer: MODEL_OPTIONS.tokenizer,
  ...DEVICE_OPTION,
  precision: { value: PRECISIONS.join("|"), help: "what the model computes in (default: float32)" },
  ...CALIBRATION_DATA_OPTIONS,
  out: { value: "FILE.html", help: "write a page there: settings by memory and loss" },
  json: { value: "FILE", help: "write all numbers there" },
  quiet: { help: "no progress and no remarks; the advice is still printed" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

/** A right value of every option that takes one, for messages. */
const EXAMPLES = {
  engine: "llama.cpp",
  loss: "0.5",
  context: "32768",
  slice: "needle",
  data: "my_examples.jsonl",
  limit: "4",
  tokenizer: "./Qwen2.5-0.5B-Instruct",
  device: "cpu",
  precision: "float16",
  ...CALIBRATION_DATA_EXAMPLES,
  out: "advice.html",
  json: "advice.json",
} as const;

/** Checked options of `kvreplay advise`. */
export interface AdviseCommandOptions extends CalibrationDataOptions {
  /** Embedded model, path of a folder or GGUF file, or name on the hub. */
  readonly model: string;
  readonly tokenizer?: string;
  readonly engines: readonly EngineName[];
  readonly mostLoss: number;
  readonly context: number;
  readonly slices: readonly SliceName[];
  /** File of questions that takes the place of the slices. */
  readonly data?: string;
  readonly limit: number;
  readonly device: Device;
  readonly precision: Precision;
  /** Page to write. */
  readonly out?: string;
  /** File for the numbers. */
  readonly json?: string;
  readonly quiet: boolean;
}

/**
 * Parses the arguments of `kvreplay advise`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the argument and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseAdviseOptions } from "./advise_options.ts";
 *
 * const options = parseAdviseOptions(["mini", "--engine", "mlx", "--loss=0.5"]);
 * assertEquals([options?.model, options?.engines, options?.mostLoss], ["mini", ["mlx"], 0.5]);
 * ```
 */
export function parseAdviseOptions(args: readonly string[]): AdviseCommandOptions | undefined {
  const valueOptions = Object.keys(EXAMPLES) as (keyof typeof EXAMPLES)[];
  const parsed = parseArgs([...args], {
    string: [...valueOptions, "_"],
    boolean: ["quiet", "help"],
    collect: valueOptions,
    alias: { help: "h" },
    unknown: refuseUnknownOptions(ADVISE_OPTIONS),
  });
  if (parsed.help) return undefined;
  const models = parsed._.map(String);
  if (models.length !== 1) {
    throw new UsageError(
      `The command advise takes one model, such as mini, and got ${givenOperands(models)}`,
    );
  }
  const values = new OptionValues<keyof typeof EXAMPLES>(parsed, EXAMPLES);
  const [tokenizer, data] = [values.text("tokenizer"), values.text("data")];
  const [out, json] = [values.text("out"), values.text("json")];
  const slices = values.names("slice");
  if (data !== undefined && slices !== undefined) {
    throw new UsageError(
      `--data ${data} takes the place of --slice ${slices.join(",")}: give one of them`,
    );
  }
  return {
    model: models[0]!,
    ...(tokenizer === undefined ? {} : { tokenizer }),
    engines: values.names("engine")?.map((name) => known("engine", name, engineNames)) ??
      engineNames,
    mostLoss: values.decimal("loss", 0, 100) ?? MOST_LOSS,
    context: values.integer("context", 1) ?? CONTEXT,
    slices: slices?.map((name) => known("slice", name, sliceNames)) ?? sliceNames,
    ...(data === undefined ? {} : { data }),
    limit: values.integer("limit", 1) ?? LIMIT,
    device: values.oneOf("device", DEVICES) ?? "auto",
    precision: values.oneOf("precision", PRECISIONS) ?? "float32",
    ...calibrationDataOf(values),
    ...(out === undefined ? {} : { out }),
    ...(json === undefined ? {} : { json }),
    quiet: parsed.quiet,
  };
}
