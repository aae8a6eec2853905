/**
 * From the arguments of `kvreplay check` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { MOST_BUDGET_BITS } from "../policies/check.ts";
import { isPolicyPath } from "../policies/user_policy.ts";
import type { OptionRow } from "./option_table.ts";
import { givenOperands, OptionValues, refuseUnknownOptions } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** What stands behind the command. */
export const CHECK_OPERAND = "FILE";

/** Every option of `kvreplay check`, without dashes. */
export const CHECK_OPTIONS = {
  "budget-bits": { value: "N", help: "widest code a policy may choose, 1 to 8 (default: 4)" },
  python: {
    value: "PATH",
    help:
      "interpreter of yours for a file in Python, run inside bubblewrap (default for policies: Pyodide)",
  },
  seed: { value: "N", help: "seed of the random caches (default: 0)" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

const EXAMPLES = { "budget-bits": "4", python: "./.venv/bin/python", seed: "0" } as const;

/** Checked options of a check. */
export interface CheckOptions {
  /** Path of a policy or quantizer file. */
  readonly file: string;
  /** Interpreter of the user's for a Python file. */
  readonly python?: string;
  readonly budgetBits: number;
  readonly seed: number;
}

/**
 * Parses the arguments of `kvreplay check`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} for anything but one file
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseCheckOptions } from "./check_options.ts";
 *
 * assertEquals(parseCheckOptions(["mine.ts"]), { file: "mine.ts", budgetBits: 4, seed: 0 });
 * ```
 */
export function parseCheckOptions(args: readonly string[]): CheckOptions | undefined {
  const parsed = parseArgs([...args], {
    string: [...Object.keys(EXAMPLES) as (keyof typeof EXAMPLES)[], "_"],
    boolean: ["help"],
    alias: { help: "h" },
    unknown: refuseUnknownOptions(CHECK_OPTIONS),
  });
  if (parsed.help) return undefined;
  const files = parsed._.map(String);
  if (files.length !== 1 || !isPolicyPath(files[0]!)) {
    throw new UsageError(
      `The command check takes one policy or quantizer file, such as mine.ts, and got ${
        givenOperands(files)
      }`,
    );
  }
  const values = new OptionValues(parsed, EXAMPLES);
  const python = values.text("python");
  return {
    file: files[0]!,
    ...(python === undefined ? {} : { python }),
    budgetBits: values.integer("budget-bits", 1, MOST_BUDGET_BITS) ?? 4,
    seed: values.integer("seed", 0, 2 ** 32 - 1) ?? 0,
  };
}
