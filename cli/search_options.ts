/**
 * From the arguments of `kvreplay search` to checked options.
 *
 * @module
 */
import { basename } from "node:path";
import { parseArgs } from "@std/cli/parse-args";
import { type SliceName, sliceNames } from "../benchmarks/slices.ts";
import { LARGEST_GROUP } from "../policies/group_size.ts";
import { builtinLike } from "../policies/registry.ts";
import { takenHooks } from "../quant/declared.ts";
import { families, type FamilyName } from "../quant/registry.ts";
import type { Device } from "../engine/devices/open.ts";
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
  QUANTIZER_OPTIONS,
} from "./option_table.ts";
import { DEVICES, known, OptionValues, refuseUnknown } from "./option_values.ts";
import { ownQuantizersOf, QUANTIZER_EXAMPLES, type QuantizerOptions } from "./quantizer_options.ts";
import { UsageError } from "./usage_error.ts";

const BUDGET_BITS = 2;
const MAX_WIDTH = 4;
const KIVI_GROUP_SIZE = 32;
const RESIDUAL_LENGTH = 32;
const SAMPLES = 6;
const QUICK_SAMPLES = 3;
const ROUNDS = 1;
const OUT = "search_policy.ts";

/** Every option of `kvreplay search`, without dashes. */
export const SEARCH_OPTIONS = {
  ...MODEL_OPTIONS,
  ...DEVICE_OPTION,
  ...CALIBRATION_DATA_OPTIONS,
  family: { value: "NAME", help: "family whose widths are distributed (default: kivi)" },
  "group-size": {
    value: "N",
    help:
      `entries that share a scale (default: ${KIVI_GROUP_SIZE} for kivi, else the family's own)`,
  },
  "residual-length": {
    value: "N",
    help: `recent tokens kept exact (default: ${RESIDUAL_LENGTH})`,
  },
  "budget-bits": {
    value: "B",
    help: `mean code width of the plan, fractions allowed (default: ${BUDGET_BITS})`,
  },
  "min-width": { value: "N", help: "narrowest code of a plan (default: 1)" },
  "max-width": { value: "N", help: `widest code of a plan, 1 to 8 (default: ${MAX_WIDTH})` },
  samples: {
    value: "N",
    help: `calibration samples to find plans on; the others judge them (default: ${SAMPLES})`,
  },
  rounds: {
    value: "N",
    help: `how often to improve the plan by measuring around it (default: ${ROUNDS})`,
  },
  quick: { help: `find plans on ${QUICK_SAMPLES} samples, in 0 rounds unless --rounds says more` },
  slice: {
    value: "NAME[,...]",
    help: "slices to replay the plan on when it is found (default: none)",
  },
  ...QUANTIZER_OPTIONS,
  quantizer: {
    ...QUANTIZER_OPTIONS.quantizer,
    help: "quantizers of yours, judged beside the plans on the same samples and slices",
  },
  out: { value: "FILE.ts", help: `policy file to write (default: ${OUT})` },
  json: { value: "FILE", help: "write sensitivities and front there" },
  quiet: { help: "no progress and no remarks; the front is still printed" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

/** A right value of every option that takes one, for messages. */
const EXAMPLES = {
  model: "mini",
  tokenizer: "./Qwen2.5-0.5B-Instruct",
  device: "cpu",
  ...CALIBRATION_DATA_EXAMPLES,
  family: "kivi",
  "group-size": "32",
  "residual-length": "32",
  "budget-bits": "2.5",
  "min-width": "2",
  "max-width": "4",
  samples: "3",
  rounds: "1",
  slice: "needle",
  ...QUANTIZER_EXAMPLES,
  out: OUT,
  json: "search.json",
} as const;

type ValueOption = keyof typeof EXAMPLES;

/** Checked options of a search. */
export interface SearchOptions extends CalibrationDataOptions, QuantizerOptions {
  /** Embedded model, path of a folder or GGUF file, or name on the hub. */
  readonly model: string;
  /** Folder whose tokenizer takes the place of the model's own. */
  readonly tokenizer?: string;
  readonly device: Device;
  readonly family: FamilyName;
  /** Absent for the family's own. */
  readonly groupSize?: number;
  readonly residualLength: number;
  /** Mean code width of the plan that is written. */
  readonly budgetBits: number;
  /** Narrowest code of a plan. */
  readonly minWidth: number;
  /** Widest code of a plan. */
  readonly maxWidth: number;
  /** Calibration samples to find plans on; the others judge them. */
  readonly samples: number;
  /** Times that the plan is improved around itself. */
  readonly rounds: number;
  /** Slices that the plan is replayed on when it is found. */
  readonly slices: readonly SliceName[];
  /** Policy file to write. */
  readonly out: string;
  /** File for sensitivities and front. */
  readonly json?: string;
  readonly quiet: boolean;
}

/**
 * Parses the arguments of `kvreplay search`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the option, the value and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseSearchOptions } from "./search_options.ts";
 *
 * const options = parseSearchOptions(["--budget-bits", "2.5", "--quick"]);
 * assertEquals([options?.budgetBits, options?.samples], [2.5, 3]);
 * ```
 */
export function parseSearchOptions(args: readonly string[]): SearchOptions | undefined {
  const valueOptions = Object.keys(EXAMPLES) as ValueOption[];
  const parsed = parseArgs([...args], {
    string: [...valueOptions, "_"],
    boolean: ["quick", "trust", "quiet", "help"],
    collect: valueOptions,
    alias: { help: "h" },
    unknown: refuseUnknown(SEARCH_OPTIONS),
  });
  if (parsed.help) return undefined;
  const values = new OptionValues<ValueOption>(parsed, EXAMPLES);
  const samples = values.integer("samples", 1);
  if (parsed.quick && samples !== undefined) {
    throw new UsageError(
      `--quick takes ${QUICK_SAMPLES} samples and --samples ${samples}: give one of them`,
    );
  }
  const maxWidth = values.integer("max-width", 1, 8) ?? MAX_WIDTH;
  const minWidth = values.integer("min-width", 1, maxWidth) ?? 1;
  const json = values.text("json");
  const tokenizer = values.text("tokenizer");
  const family = values.oneOf("family", Object.keys(families) as FamilyName[]) ?? "kivi";
  const asked = values.integer("group-size", 1, LARGEST_GROUP);
  if (asked !== undefined && !takenHooks(families[family]).includes("group_size")) {
    throw new UsageError(
      `--group-size ${asked} does not go with --family ${family}, which takes no group size; leave it out`,
    );
  }
  const out = policyPath(values.text("out") ?? OUT);
  const groupSize = asked ??
    (family === "kivi" ? KIVI_GROUP_SIZE : undefined);
  return {
    model: values.text("model") ?? "mini",
    ...(tokenizer === undefined ? {} : { tokenizer }),
    device: values.oneOf("device", DEVICES) ?? "auto",
    ...calibrationDataOf(values),
    family,
    ...(groupSize === undefined ? {} : { groupSize }),
    residualLength: values.integer("residual-length", 0) ?? RESIDUAL_LENGTH,
    budgetBits: values.decimal("budget-bits", minWidth, maxWidth) ??
      Math.min(Math.max(BUDGET_BITS, minWidth), maxWidth),
    minWidth,
    maxWidth,
    samples: samples ?? (parsed.quick ? QUICK_SAMPLES : SAMPLES),
    rounds: values.integer("rounds", 0) ?? (parsed.quick ? 0 : ROUNDS),
    slices: values.names("slice")?.map((name) => known("slice", name, sliceNames)) ?? [],
    ...ownQuantizersOf(parsed, values, [out]),
    out,
    ...(json === undefined ? {} : { json }),
    quiet: parsed.quiet,
  };
}

/** A path that a policy file may have. */
function policyPath(path: string): string {
  if (!/\.m?ts$/.test(path)) {
    throw new UsageError(
      `--out is a policy file in TypeScript, got ${
        JSON.stringify(path)
      }; expected a name that ends in .ts or .mts`,
    );
  }
  const name = basename(path).replace(/\.m?ts$/, "");
  const builtin = builtinLike(name);
  if (builtin !== undefined) {
    throw new UsageError(
      `--out ${path} would have the name of the built-in ${builtin}; give it another`,
    );
  }
  return path;
}
