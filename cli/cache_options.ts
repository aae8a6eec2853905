/**
 * From the arguments of `kvreplay cache` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { optionRows, twoColumns } from "./help.ts";
import type { OptionRow } from "./option_table.ts";
import { known, OptionValues, refuseUnknown } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** What can be done with a cache. */
export const CACHE_ACTIONS = {
  list: "sizes, models and last use (this is the default)",
  verify: "read everything, and remove what is not as it was written",
  clear: "remove what is kept of a model, or everything",
} as const;

/** One of `CACHE_ACTIONS`. */
export type CacheAction = keyof typeof CACHE_ACTIONS;

/** Every option of `kvreplay cache`, without dashes. */
export const CACHE_OPTIONS = {
  model: { value: "NAME", help: "clear what is kept of this model, named as the list has it" },
  all: { help: "clear everything" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

/** Checked options of the cache command. */
export interface CacheCommandOptions {
  readonly action: CacheAction;
  /** What `clear` is limited to; absent for everything. */
  readonly model?: string;
}

/** The text of `kvreplay cache --help`. */
export function cacheHelp(summary: string): string {
  return `${summary}.

Usage: kvreplay cache [${Object.keys(CACHE_ACTIONS).join("|")}] [OPTIONS]

Actions:
${twoColumns(Object.entries(CACHE_ACTIONS))}

Options:
${optionRows(CACHE_OPTIONS)}`;
}

/**
 * Parses the arguments of `kvreplay cache`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the argument and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseCacheOptions } from "./cache_options.ts";
 *
 * assertEquals(parseCacheOptions([]), { action: "list" });
 * assertEquals(parseCacheOptions(["clear", "--model", "mini"]), { action: "clear", model: "mini" });
 * ```
 */
export function parseCacheOptions(args: readonly string[]): CacheCommandOptions | undefined {
  const [first, ...rest] = args;
  const named = first !== undefined && !first.startsWith("-");
  const parsed = parseArgs(named ? rest : [...args], {
    string: ["model", "_"],
    boolean: ["all", "help"],
    collect: ["model"],
    alias: { help: "h" },
    unknown: refuseUnknown(CACHE_OPTIONS),
  });
  if (parsed.help) return undefined;
  const action = named
    ? known("action", first, Object.keys(CACHE_ACTIONS) as CacheAction[])
    : "list";
  const model = new OptionValues(parsed, { model: "mini" }).text("model");
  if (action === "clear" && (model === undefined) !== parsed.all) {
    throw new UsageError(
      `Expected either --model NAME or --all after clear, got ${JSON.stringify(rest.join(" "))}`,
    );
  }
  if (action !== "clear" && (model !== undefined || parsed.all)) {
    throw new UsageError(
      `${model === undefined ? "--all" : "--model"} goes with clear, not with ${action}`,
    );
  }
  return { action, ...(model === undefined ? {} : { model }) };
}
