/**
 * From the arguments of `deno task bench --compare` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type SliceName, sliceNames } from "../../benchmarks/slices.ts";
import { OptionValues, refuseUnknown } from "../../cli/option_values.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { policyNames } from "../../policies/registry.ts";
import { FEWEST_RATIOS } from "./ratio_interval.ts";

/** Every option with a right value. */
const EXAMPLES = {
  compare: "HEAD",
  policy: "kivi_overlap_4bit",
  slice: "longbench",
  limit: "4",
  sittings: "12",
};

/** The help text. */
export const COMPARE_HELP = `deno task bench                      time the kernels and the replay
deno task bench --growth FILE.svg    how costs grow with prompt, steps, policies and layers
deno task bench --compare REVISION   compare the working tree's speed with that of a revision

  --policy NAME[,NAME]   policies to replay (default: all)
  --slice NAME           slice of which examples are replayed (default: longbench)
  --limit N              examples of it (default: 4)
  --sittings N           pairs of processes that measure, at least ${FEWEST_RATIOS} (default: 12)`;

/** Checked options. */
export interface CompareOptions {
  /** What the working tree is compared with. */
  readonly revision: string;
  readonly policies: readonly string[];
  readonly slice: SliceName;
  /** Examples of the slice. */
  readonly limit: number;
  /** Pairs of processes that measure: each gives one ratio. */
  readonly sittings: number;
}

/**
 * Parses the arguments.
 *
 * @throws {UsageError} for what no option takes
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseCompareOptions } from "./compare_options.ts";
 *
 * const options = parseCompareOptions(["--compare", "HEAD", "--policy", "adaptive"]);
 * const { revision, policies, slice, limit, sittings } = options;
 * assertEquals([revision, policies, slice, limit, sittings], ["HEAD", ["adaptive"], "longbench", 4, 12]);
 * ```
 */
export function parseCompareOptions(args: readonly string[]): CompareOptions {
  const parsed = parseArgs([...args], {
    string: Object.keys(EXAMPLES),
    unknown: refuseUnknown(EXAMPLES),
  });
  const values = new OptionValues(parsed, EXAMPLES);
  const revision = values.text("compare");
  if (revision === undefined || revision.startsWith("-")) {
    throw new UsageError(
      `--compare names ${JSON.stringify(revision)}; give a revision, as in --compare HEAD`,
    );
  }
  return {
    revision,
    policies: values.names("policy") ?? policyNames,
    slice: values.oneOf("slice", sliceNames) ?? "longbench",
    limit: values.integer("limit", 1) ?? 4,
    sittings: values.integer("sittings", FEWEST_RATIOS, 100) ?? 12,
  };
}
