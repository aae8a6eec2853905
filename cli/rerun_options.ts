/**
 * From the arguments of `kvreplay rerun` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import type { OptionRow } from "./option_table.ts";
import { OptionValues, refuseUnknownOptions } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** What stands behind the command. */
export const RERUN_OPERAND = "MANIFEST";

/** Every option of `kvreplay rerun`, without dashes. */
export const RERUN_OPTIONS = {
  out: {
    value: "DIR",
    help: "keep the new results there (default: they are compared and removed)",
  },
  trust: { help: "run code that the manifest's command has run outside the sandbox" },
  quiet: { help: "no remarks; differences are still told" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

const EXAMPLES = { out: "again" } as const;

/** Checked options of a rerun. */
export interface RerunOptions {
  /** Path of a `manifest.json`; the files it belongs to are beside it. */
  readonly manifest: string;
  /** Folder for the new results. */
  readonly out?: string;
  /** Whether a command that trusts its files may be run. */
  readonly trust: boolean;
  readonly quiet: boolean;
}

/**
 * Parses the arguments of `kvreplay rerun`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} for anything but one manifest
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseRerunOptions } from "./rerun_options.ts";
 *
 * assertEquals(parseRerunOptions(["results/manifest.json", "--quiet"]), {
 *   ...{ manifest: "results/manifest.json", trust: false, quiet: true },
 * });
 * ```
 */
export function parseRerunOptions(args: readonly string[]): RerunOptions | undefined {
  const parsed = parseArgs([...args], {
    string: ["out", "_"],
    boolean: ["trust", "quiet", "help"],
    collect: ["out"],
    alias: { help: "h" },
    unknown: refuseUnknownOptions(RERUN_OPTIONS),
  });
  if (parsed.help) return undefined;
  const [manifest, ...more] = parsed._.map(String);
  if (manifest === undefined || more.length > 0) {
    const given = manifest === undefined ? "nothing" : JSON.stringify([manifest, ...more]);
    throw new UsageError(
      `The command rerun takes one manifest, such as results/manifest.json, and got ${given}`,
    );
  }
  const out = new OptionValues(parsed, EXAMPLES).text("out");
  return {
    manifest,
    ...(out === undefined ? {} : { out }),
    trust: parsed.trust,
    quiet: parsed.quiet,
  };
}
