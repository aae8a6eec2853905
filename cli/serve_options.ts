/**
 * From the arguments of `kvreplay serve` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import type { OptionRow } from "./option_table.ts";
import { OptionValues, refuseUnknownOptions } from "./option_values.ts";
import { checkQueue, QUEUE_EXAMPLE } from "./queue_url.ts";
import { UsageError } from "./usage_error.ts";

/** What stands behind the command. */
export const SERVE_OPERAND = "[DIR]";

const FOLDER = "results";

/** Every option of `kvreplay serve`, without dashes. */
export const SERVE_OPTIONS = {
  port: { value: "N", help: "where to listen; 0 takes a free one (default: 8787)" },
  host: { value: "NAME", help: "whom to listen for (default: 127.0.0.1, this machine alone)" },
  queue: {
    value: "postgres://USER@HOST/DB",
    help: "show the sweeps of this queue, too (another permission: docs/permissions.md)",
  },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

const EXAMPLES = {
  port: "8787",
  host: "127.0.0.1",
  queue: QUEUE_EXAMPLE,
} as const;

/** Checked options of the server. */
export interface ServeCommandOptions {
  /** Folder of sweeps and leaderboards. */
  readonly folder: string;
  readonly port: number;
  readonly hostname: string;
  /** URL of PostgreSQL. */
  readonly queue?: string;
}

/**
 * Parses the arguments of `kvreplay serve`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the argument and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseServeOptions } from "./serve_options.ts";
 *
 * assertEquals(parseServeOptions(["results/sweep", "--port=9000"]), {
 *   folder: "results/sweep",
 *   port: 9000,
 *   hostname: "127.0.0.1",
 * });
 * ```
 */
export function parseServeOptions(args: readonly string[]): ServeCommandOptions | undefined {
  const parsed = parseArgs([...args], {
    string: ["port", "host", "queue", "_"],
    boolean: ["help"],
    collect: ["port", "host", "queue"],
    alias: { help: "h" },
    unknown: refuseUnknownOptions(SERVE_OPTIONS),
  });
  if (parsed.help) return undefined;
  const [folder = FOLDER, extra] = parsed._.map(String);
  if (extra !== undefined) {
    throw new UsageError(`Expected one folder, got ${JSON.stringify(extra)} behind it`);
  }
  const values = new OptionValues(parsed, EXAMPLES);
  const queue = values.text("queue");
  if (queue !== undefined) checkQueue(queue);
  return {
    folder,
    port: values.integer("port", 0, 65535) ?? Number(EXAMPLES.port),
    hostname: values.text("host") ?? EXAMPLES.host,
    ...(queue === undefined ? {} : { queue }),
  };
}
