/**
 * From the arguments of `kvreplay fetch` to checked options.
 *
 * @module
 */
import { isSuiteName, type SuiteName, suites } from "../benchmarks/suites.ts";
import { parseArgs } from "@std/cli/parse-args";
import { type HubName, parseHubName } from "../engine/checkpoint/hub/name.ts";
import type { OptionRow } from "./option_table.ts";
import { refuseUnknownOptions } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** What stands behind the command. */
export const FETCH_OPERAND = "OWNER/NAME[@REVISION][:FILE.gguf]|BENCHMARK ...";

/** Every option of `kvreplay fetch`, without dashes. */
export const FETCH_OPTIONS = {
  quiet: { help: "no progress and no remarks; failures are still told" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

/** Checked options of a fetch. */
export interface FetchOptions {
  /** Models and benchmarks, in the order they are brought. */
  readonly wanted: readonly (HubName | SuiteName)[];
  readonly quiet: boolean;
}

/**
 * Parses the arguments of `kvreplay fetch`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} for anything but names of models and benchmarks
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseFetchOptions } from "./fetch_options.ts";
 *
 * const options = parseFetchOptions(["gsm8k", "longbench", "--quiet"]);
 * assertEquals([options?.wanted, options?.quiet], [["gsm8k", "longbench"], true]);
 * ```
 */
export function parseFetchOptions(args: readonly string[]): FetchOptions | undefined {
  const { _: names, quiet, help } = parseArgs([...args], {
    boolean: ["quiet", "help"],
    string: ["_"],
    alias: { help: "h" },
    unknown: refuseUnknownOptions(FETCH_OPTIONS),
  });
  if (help) return undefined;
  if (names.length === 0) throw wrongNames("nothing");
  return { wanted: names.map(String).map(wantedBy), quiet };
}

function wantedBy(text: string): HubName | SuiteName {
  if (isSuiteName(text)) return text;
  const model = parseHubName(text);
  if (model === undefined) throw wrongNames(JSON.stringify(text));
  return model;
}

function wrongNames(given: string): UsageError {
  return new UsageError(
    `The command fetch takes names of models on the hub, OWNER/NAME[@REVISION][:FILE.gguf], and of benchmarks, ${
      Object.keys(suites).join(", ")
    }, and got ${given}`,
  );
}
