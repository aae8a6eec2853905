/**
 * From the arguments of `kvreplay compare` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import type { PolicyPairs } from "../report/run_differences.ts";
import type { OptionRow } from "./option_table.ts";
import { givenOperands, OptionValues, refuseUnknownOptions } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** What stands behind the command. */
export const COMPARE_OPERANDS = "A B";

/** Every option of `kvreplay compare`, without dashes. */
export const COMPARE_OPTIONS = {
  policy: { value: "NAME[,NAME...]", help: "only these policies of A (default: all)" },
  with: {
    value: "NAME",
    help: "compare each with this policy of B (default: the one of the same name)",
  },
  limit: { value: "N", help: "show N examples of each policy that differ (default: 10)" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

const EXAMPLES = { policy: "kivi_overlap_2bit", with: "kivi_overlap_4bit", limit: "10" } as const;

/** Checked options of a comparison. */
export interface CompareOptions {
  /** Folders that two runs were given with `--out`. */
  readonly folders: readonly [a: string, b: string];
  readonly pairs: PolicyPairs;
  /** Examples shown of each policy. */
  readonly limit: number;
}

/**
 * Parses the arguments of `kvreplay compare`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} for anything but two folders
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseCompareOptions } from "./compare_options.ts";
 *
 * const options = parseCompareOptions(["out/a", "out/b", "--limit", "3"]);
 * assertEquals(options, { folders: ["out/a", "out/b"], pairs: {}, limit: 3 });
 * ```
 */
export function parseCompareOptions(args: readonly string[]): CompareOptions | undefined {
  const parsed = parseArgs([...args], {
    string: [...Object.keys(EXAMPLES) as (keyof typeof EXAMPLES)[], "_"],
    boolean: ["help"],
    alias: { help: "h" },
    unknown: refuseUnknownOptions(COMPARE_OPTIONS),
  });
  if (parsed.help) return undefined;
  const folders = parsed._.map(String);
  if (folders.length !== 2) {
    throw new UsageError(
      `The command compare takes two folders that runs were given with --out, and got ${
        givenOperands(folders)
      }`,
    );
  }
  const values = new OptionValues(parsed, EXAMPLES);
  const policies = values.text("policy")?.split(",").map((name) => name.trim());
  const other = values.text("with");
  return {
    folders: [folders[0]!, folders[1]!],
    pairs: {
      ...(policies === undefined ? {} : { policies }),
      ...(other === undefined ? {} : { with: other }),
    },
    limit: values.integer("limit", 0) ?? 10,
  };
}
