/**
 * From the arguments of `kvreplay fetch` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type HubName, parseHubName } from "../engine/checkpoint/hub/name.ts";
import type { OptionRow } from "./option_table.ts";
import { refuseUnknown } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** What stands behind the command. */
export const FETCH_OPERAND = "OWNER/NAME[@REVISION][:FILE.gguf]";

/** Every option of `kvreplay fetch`, without dashes. */
export const FETCH_OPTIONS = {
  quiet: { help: "no progress and no remarks; failures are still told" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

/** Checked options of a fetch. */
export interface FetchOptions {
  readonly model: HubName;
  readonly quiet: boolean;
}

/**
 * Parses the arguments of `kvreplay fetch`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} for anything but one name of a model
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseFetchOptions } from "./fetch_options.ts";
 *
 * const options = parseFetchOptions(["Qwen/Qwen2.5-0.5B-Instruct@main", "--quiet"]);
 * assertEquals([options?.model.repo.name, options?.quiet], ["Qwen/Qwen2.5-0.5B-Instruct", true]);
 * ```
 */
export function parseFetchOptions(args: readonly string[]): FetchOptions | undefined {
  const refuse = refuseUnknown(FETCH_OPTIONS);
  const { _: names, quiet, help } = parseArgs([...args], {
    boolean: ["quiet", "help"],
    string: ["_"],
    alias: { help: "h" },
    unknown: (arg, key) => {
      if (key !== undefined) refuse(arg, key);
    },
  });
  if (help) return undefined;
  const [text, ...more] = names.map(String);
  const model = text === undefined || more.length > 0 ? undefined : parseHubName(text);
  if (model === undefined) {
    const given = names.length === 0 ? "nothing" : names.map((n) => JSON.stringify(n)).join(" ");
    throw new UsageError(
      `The command fetch takes the name of one model on the hub, ${FETCH_OPERAND}, and got ${given}`,
    );
  }
  return { model, quiet };
}
