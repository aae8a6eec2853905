/**
 * From the arguments of a replay command to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { isSliceName, type SliceName, sliceNames } from "../benchmarks/slices.ts";
import { isPolicyName, type PolicyName, policyNames } from "../policies/registry.ts";
import type { Device } from "../replay/engines/open.ts";
import { optionList, type ValueOption, valueOptions } from "./option_table.ts";
import { UsageError } from "./usage_error.ts";

/** Named here too, so that a help text does not load the engines. */
const DEVICES = ["auto", "webgpu", "cpu", "wasm"] as const satisfies readonly Device[];

/** Checked options of a replay. */
export interface ReplayOptions {
  readonly slices: readonly SliceName[];
  readonly policies: readonly PolicyName[];
  /** Embedded model or path of a folder. */
  readonly model: string;
  /** File of the user's that replaces the embedded slice. */
  readonly data?: string;
  readonly device: Device;
  /** Number of examples, from the first. */
  readonly limit?: number;
  readonly maxNewTokens?: number;
  readonly budgetBits: number;
  readonly seed: number;
  /** Folder for result files. */
  readonly out?: string;
  readonly stepwise: boolean;
  /** Whether references and calibrations are kept on disk. */
  readonly cache: boolean;
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
    boolean: ["stepwise", "cache", "quiet", "help"],
    negatable: ["cache"],
    collect: ["policy"],
    alias: { help: "h" },
    default: { cache: true },
    unknown: refuseUnknown,
  });
  if (parsed.help) return undefined;
  const values = new Values(parsed);
  const data = values.text("data");
  if (data !== undefined && target === "all") {
    throw new UsageError(
      `--data replaces one slice: use it with ${sliceNames.join(", ")}, not with all`,
    );
  }
  const out = values.text("out");
  const limit = values.integer("limit", 1);
  const maxNewTokens = values.integer("max-new-tokens", 1);
  return {
    slices: isSliceName(target) ? [target] : sliceNames,
    policies: policiesOf(parsed.policy),
    model: values.text("model") ?? "mini",
    ...(data === undefined ? {} : { data }),
    device: values.oneOf("device", DEVICES) ?? "auto",
    ...(limit === undefined ? {} : { limit }),
    ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
    budgetBits: values.integer("budget-bits", 1, 8) ?? 4,
    seed: values.integer("seed", 0, 2 ** 32 - 1) ?? 0,
    ...(out === undefined ? {} : { out }),
    stepwise: parsed.stepwise,
    cache: parsed.cache,
    quiet: parsed.quiet,
  };
}

function refuseUnknown(arg: string, key?: string): never {
  throw new UsageError(
    key === undefined
      ? `unexpected argument ${JSON.stringify(arg)}; expected only options: ${optionList}`
      : `unknown option ${arg.split("=")[0]}; expected one of ${optionList}`,
  );
}

function missingValue(name: ValueOption): UsageError {
  return new UsageError(`--${name} needs a value, as in --${name} ${EXAMPLES[name]}`);
}

/** Reads and checks values; the text that a user gave is quoted in every message. */
class Values {
  constructor(private readonly parsed: Readonly<Record<string, unknown>>) {}

  text(name: ValueOption): string | undefined {
    const value = this.parsed[name];
    if (value === undefined) return undefined;
    if (typeof value !== "string" || value === "") {
      throw missingValue(name);
    }
    return value;
  }

  integer(name: ValueOption, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      const range = max === Number.MAX_SAFE_INTEGER
        ? `of at least ${min}`
        : `from ${min} to ${max}`;
      throw new UsageError(`--${name} must be an integer ${range}, got ${JSON.stringify(text)}`);
    }
    return value;
  }

  oneOf<T extends string>(name: ValueOption, values: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const known = values.find((value) => value === text);
    if (known === undefined) {
      throw new UsageError(`unknown ${name} ${JSON.stringify(text)}; expected ${list(values)}`);
    }
    return known;
  }
}

/** A right value of every option, for messages. */
const EXAMPLES = {
  policy: "kivi_overlap_2bit",
  model: "mini",
  data: "my_examples.jsonl",
  device: "cpu",
  limit: "2",
  "max-new-tokens": "16",
  "budget-bits": "4",
  seed: "0",
  out: "results",
} as const satisfies Record<ValueOption, string>;

function policiesOf(given: readonly string[]): readonly PolicyName[] {
  if (given.length === 0) return policyNames;
  if (given.includes("")) throw missingValue("policy");
  const names = given.flatMap((text) => text.split(",")).map((name) => name.trim());
  const chosen = names.flatMap((name) => {
    if (name === "all") return policyNames;
    if (isPolicyName(name)) return [name];
    throw new UsageError(
      `unknown policy ${JSON.stringify(name)}; expected all or ${list(policyNames)}`,
    );
  });
  return [...new Set(chosen)];
}

function list(values: readonly string[]): string {
  return values.length < 2
    ? values.join("")
    : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}
