/**
 * From the arguments of `kvreplay leaderboard` to checked options.
 *
 * @module
 */
import { MOST_BUDGET_BITS } from "../policies/check.ts";
import { parseArgs } from "@std/cli/parse-args";
import { type SliceName, sliceNames } from "../benchmarks/slices.ts";
import { DEFAULT_CACHE_LIMIT } from "../evaluation/cache/cache_folder.ts";
import { LARGEST_GROUP, nameAndGroup } from "../policies/group_size.ts";
import { type BuiltinName, isBuiltinName, type PolicyName } from "../policies/registry.ts";
import { policyFileName } from "../policies/user_policy.ts";
import type { Device } from "../engine/devices/open.ts";
import { FOREIGN_POLICIES } from "../leaderboard/foreign/goals.ts";
import { embeddedModels } from "../engine/checkpoint/resolve.ts";
import {
  CALIBRATION_DATA_EXAMPLES,
  calibrationDataOf,
  type CalibrationDataOptions,
} from "./calibration_data_options.ts";
import { chosenBuiltins, type ChosenPolicies } from "./chosen_policies.ts";
import {
  CALIBRATION_DATA_OPTIONS,
  DEVICE_OPTION,
  GROUP_OPTION,
  type OptionRow,
  QUANTIZER_OPTIONS,
} from "./option_table.ts";
import { DEVICES, known, OptionValues, refuseUnknown } from "./option_values.ts";
import { ownQuantizersOf, QUANTIZER_EXAMPLES, type QuantizerOptions } from "./quantizer_options.ts";
import { UsageError } from "./usage_error.ts";

const BASELINE = "kivi_overlap_4bit" satisfies PolicyName;
const REFERENCE = "reference" satisfies PolicyName;
const RESAMPLES = 10_000;
const FOLDER = "results/leaderboard";
const FOREIGN_FOLDER = "results/foreign";

/** Every option of `kvreplay leaderboard`, without dashes. */
export const LEADERBOARD_OPTIONS = {
  model: {
    value: "NAME|DIR|FILE.gguf|OWNER/NAME[,...]",
    help:
      `embedded models, Hugging Face folders, GGUF files, or models of the hub, fetched before (default: ${
        embeddedModels.join(",")
      })`,
  },
  slice: { value: "NAME[,...]", help: `slices to run (default: ${sliceNames.join(",")})` },
  policy: {
    value: "NAME[,NAME...]|all",
    help: "policies to run (default: all built-ins); the reference is always run",
  },
  ...QUANTIZER_OPTIONS,
  ...GROUP_OPTION,
  foreign: {
    help:
      "learn from one kind of calibration text at a time, and judge on every other kind and on " +
      `the slices (default policies: ${FOREIGN_POLICIES.join(",")})`,
  },
  baseline: { value: "NAME", help: `policy the others are compared with (default: ${BASELINE})` },
  ...DEVICE_OPTION,
  ...CALIBRATION_DATA_OPTIONS,
  limit: { value: "N", help: "only the first N examples of each slice" },
  "budget-bits": {
    value: "N",
    help: "widest code a policy may choose, 1 to 8 (default: 4)",
  },
  seed: { value: "N", help: "seed of everything drawn at random (default: 0)" },
  resamples: { value: "N", help: `resamples behind every interval (default: ${RESAMPLES})` },
  out: {
    value: "DIR",
    help:
      `results, and finished cells in DIR/cells (default: ${FOLDER}; with --foreign ${FOREIGN_FOLDER})`,
  },
  resume: { help: "do not run finished cells again (this is the default)" },
  fresh: { help: "run every cell again" },
  "cache-limit": {
    value: "SIZE",
    help: "disk that all that is kept for later runs may take (default: 8GiB)",
  },
  "no-cache": { help: "keep nothing on disk for later runs" },
  quiet: { help: "no progress and no remarks; failures are still told" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

/** A right value of every option that takes one, for messages. */
const EXAMPLES = {
  model: "mini",
  slice: "needle",
  policy: "kivi_overlap_2bit",
  ...QUANTIZER_EXAMPLES,
  "group-size": "64",
  baseline: BASELINE,
  device: "cpu",
  ...CALIBRATION_DATA_EXAMPLES,
  limit: "2",
  "budget-bits": "4",
  seed: "0",
  resamples: String(RESAMPLES),
  out: FOLDER,
  "cache-limit": "8GiB",
} as const;

type ValueOption = keyof typeof EXAMPLES;

/** Checked options of a leaderboard. */
export interface LeaderboardOptions
  extends ChosenPolicies<BuiltinName>, CalibrationDataOptions, QuantizerOptions {
  /** Embedded models, paths of folders or GGUF files, or names on the hub. */
  readonly models: readonly string[];
  readonly slices: readonly SliceName[];
  /** Whether policies learn from one kind of text at a time and are judged on all others. */
  readonly foreign: boolean;
  /** The full-precision policy first: every other needs it; without it where text is foreign. */
  readonly policies: readonly BuiltinName[];
  /** One of the policies, or the name of a quantizer. */
  readonly baseline: string;
  readonly device: Device;
  /** Number of examples, from the first. */
  readonly limit?: number;
  readonly budgetBits: number;
  readonly seed: number;
  readonly resamples: number;
  /** Folder for result files and finished cells. */
  readonly out: string;
  /** Whether finished cells are run again. */
  readonly fresh: boolean;
  /** Whether anything is kept on disk for later runs. */
  readonly cache: boolean;
  /** Bytes that all of them may take. */
  readonly cacheLimit: number;
  readonly quiet: boolean;
}

/**
 * Parses the arguments of `kvreplay leaderboard`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the option, the value and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseLeaderboardOptions } from "./leaderboard_options.ts";
 *
 * const options = parseLeaderboardOptions(["--policy", "kivi_overlap_2bit", "--model=mini"]);
 * assertEquals(options?.policies, ["reference", "kivi_overlap_2bit"]);
 * ```
 */
export function parseLeaderboardOptions(args: readonly string[]): LeaderboardOptions | undefined {
  const valueOptions = Object.keys(EXAMPLES) as ValueOption[];
  const parsed = parseArgs([...args], {
    string: [...valueOptions, "_"],
    boolean: ["resume", "fresh", "foreign", "trust", "cache", "quiet", "help"],
    negatable: ["cache"],
    collect: valueOptions,
    alias: { help: "h" },
    default: { cache: true },
    unknown: refuseUnknown(LEADERBOARD_OPTIONS),
  });
  if (parsed.help) return undefined;
  if (parsed.fresh && parsed.resume) {
    // deno-lint-ignore error-law/value -- the options that contradict each other have none
    throw new UsageError("--fresh runs every cell again and --resume does not: give one of them");
  }
  const values = new OptionValues(parsed, EXAMPLES);
  const groupSizes = values.integers("group-size", 1, LARGEST_GROUP);
  const { foreign } = parsed;
  const { policies: asked, ...chosen } = chosenBuiltins({
    policy: foreign && parsed.policy.length === 0 ? [...FOREIGN_POLICIES] : parsed.policy,
    ...(groupSizes === undefined ? {} : { groupSizes }),
    example: EXAMPLES.policy,
  });
  const brought = ownQuantizersOf(parsed, values, asked);
  if (foreign && brought.quantizers.length > 0) {
    throw new UsageError(
      `--quantizer ${
        brought.quantizers[0]
      } has no goal on foreign text; leave it out, or --foreign`,
    );
  }
  const names = brought.quantizers.map(policyFileName);
  const limit = values.integer("limit", 1);
  return {
    models: values.names("model") ?? embeddedModels,
    slices: values.names("slice")?.map((name) => known("slice", name, sliceNames)) ?? sliceNames,
    ...chosen,
    ...brought,
    foreign,
    policies: [
      ...(foreign ? [] : [REFERENCE] as const),
      ...asked.filter((name) => name !== REFERENCE),
    ],
    baseline: baselineOf(values, foreign ? [...asked, BASELINE] : [...asked, ...names]),
    device: values.oneOf("device", DEVICES) ?? "auto",
    ...calibrationDataOf(values),
    ...(limit === undefined ? {} : { limit }),
    budgetBits: values.integer("budget-bits", 1, MOST_BUDGET_BITS) ?? 4,
    seed: values.integer("seed", 0, 2 ** 32 - 1) ?? 0,
    resamples: values.integer("resamples", 100, 1_000_000) ?? RESAMPLES,
    out: values.text("out") ?? (foreign ? FOREIGN_FOLDER : FOLDER),
    fresh: parsed.fresh,
    cache: parsed.cache,
    cacheLimit: values.size("cache-limit") ?? DEFAULT_CACHE_LIMIT,
    quiet: parsed.quiet,
  };
}

/** The baseline asked for, by its name or that without the size of its groups; by default one that is run. */
function baselineOf(
  values: OptionValues<ValueOption>,
  asked: readonly string[],
): string {
  const given = values.text("baseline");
  const runs: readonly string[] = [REFERENCE, ...asked];
  const named = (wanted: string) =>
    runs.find((name) => name === wanted) ?? runs.find((name) => nameAndGroup(name).name === wanted);
  if (given === undefined) {
    return named(BASELINE) ?? asked.find((name) => name !== REFERENCE) ?? REFERENCE;
  }
  const baseline = named(given);
  if (baseline !== undefined) return baseline;
  if (isBuiltinName(given)) {
    throw new UsageError(
      `--baseline ${given} is not among the policies to run; expected ${runs.join(", ")}`,
    );
  }
  return known("baseline", given, runs);
}
