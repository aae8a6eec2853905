/**
 * From the arguments of `kvreplay ppl` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { commandHelp } from "./help.ts";
import { type OptionRow, OPTIONS, valueOptions } from "./option_table.ts";
import { OptionValues, refuseUnknown } from "./option_values.ts";
import { EXAMPLES, type ReplayOptions, replayOptionsOf } from "./replay_options.ts";
import { UsageError } from "./usage_error.ts";

const { "max-new-tokens": _n, mode: _m, data: _d, limit: _l, ...OF_EVERY_RUN } = OPTIONS;

/** Every option of `kvreplay ppl`, without dashes. */
export const PPL_OPTIONS = {
  data: { value: "TEXT", help: "text to read, a file of UTF-8" },
  window: { value: "N", help: "tokens that are read together (default: 512)" },
  from: { value: "N", help: "first scored position of a window (default: its middle)" },
  every: { value: "N", help: "every so many positions one is scored (default: 1)" },
  limit: { value: "N", help: "only the first N windows" },
  ...OF_EVERY_RUN,
} as const satisfies Record<string, OptionRow>;

/** A right value of every option, for messages. */
const PPL_EXAMPLES = { ...EXAMPLES, data: "text.txt", window: "512", from: "256", every: "4" };

/** Checked options of `kvreplay ppl`. */
export interface PplOptions {
  readonly replay: ReplayOptions;
  /** File of the text. */
  readonly text: string;
  readonly window?: number;
  readonly from?: number;
  readonly every?: number;
}

/** The text of `kvreplay ppl --help`. */
export function pplHelp(summary: string): string {
  return commandHelp("ppl --data TEXT", summary, PPL_OPTIONS);
}

/**
 * Parses the arguments of `kvreplay ppl`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the argument and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parsePplOptions } from "./ppl_options.ts";
 *
 * const options = parsePplOptions(["--data", "book.txt", "--window", "1024", "--limit", "2"]);
 * assertEquals([options?.text, options?.window, options?.replay.limit], ["book.txt", 1024, 2]);
 * ```
 */
export function parsePplOptions(args: readonly string[]): PplOptions | undefined {
  const parsed = parseArgs([...args], {
    string: [...valueOptions, ...["window", "from", "every", "_"] as const],
    boolean: ["stepwise", "audit", "cache", "quiet", "trust", "help"],
    negatable: ["cache"],
    collect: valueOptions,
    alias: { help: "h" },
    default: { cache: true },
    unknown: refuseUnknown(PPL_OPTIONS),
  });
  if (parsed.help) return undefined;
  const values = new OptionValues<keyof typeof PPL_EXAMPLES>(parsed, PPL_EXAMPLES);
  for (const name of ["max-new-tokens", "mode"] as const) {
    if (values.text(name) !== undefined) refuseUnknown(PPL_OPTIONS)(`--${name}`, name);
  }
  const replay = replayOptionsOf(parsed, values, []);
  if (replay.data === undefined) {
    // deno-lint-ignore error-law/value -- nothing is given
    throw new UsageError("The command ppl reads a text: give its file with --data");
  }
  const sizes = {
    window: values.integer("window", 2),
    from: values.integer("from", 1),
    every: values.integer("every", 1),
  };
  const { window = 512, from } = sizes;
  if (from !== undefined && from >= window) {
    throw new UsageError(`--from ${from} is beyond a window of ${window} tokens; give less`);
  }
  return {
    replay,
    text: replay.data,
    ...Object.fromEntries(Object.entries(sizes).filter(([, size]) => size !== undefined)),
  };
}
