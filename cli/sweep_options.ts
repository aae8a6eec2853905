/**
 * From the arguments of `kvreplay sweep` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { UserError } from "../errors.ts";
import { DEFAULT_CACHE_LIMIT } from "../evaluation/cache/cache_folder.ts";
import { HEARTBEAT_S } from "../sweep/queue/heartbeat.ts";
import { shardOf } from "../sweep/shard_of.ts";
import { WORKER_ACTION } from "./launch_worker.ts";
import { optionRows, twoColumns } from "./help.ts";
import type { OptionRow } from "./option_table.ts";
import { givenOperands, known, OptionValues, refuseUnknownOptions } from "./option_values.ts";
import { checkQueue, QUEUE_EXAMPLE } from "./queue_url.ts";
import { UsageError } from "./usage_error.ts";

/** What can be done with a sweep, and what stands behind it. */
export const SWEEP_ACTIONS = {
  plan: { operand: "FILE.yaml", help: "list its cells, with estimated time and memory" },
  run: { operand: "FILE.yaml", help: "run its cells, or a shard of them, that are not there" },
  merge: { operand: "DIR...", help: "join what shards came to into leaderboards" },
  status: { operand: "FILE.yaml", help: "tell how far its queue is" },
  results: { operand: "FILE.yaml", help: "bring what its queue came to, into leaderboards" },
  retry: { operand: "FILE.yaml", help: "try the cells anew that its queue has parked" },
} as const satisfies Record<string, { operand: string; help: string }>;

/** One of `SWEEP_ACTIONS`. */
export type SweepAction = keyof typeof SWEEP_ACTIONS;

/** More processes than this are no one machine's. */
const MOST_WORKERS = 256;

const FOLDER = "results/sweep";

/** Every option of `kvreplay sweep`, without dashes, and the actions that it goes with. */
export const SWEEP_OPTIONS = {
  out: {
    value: "DIR",
    help:
      `cells in DIR/cells, what became of them in DIR/shards, leaderboards in DIR (default: ${FOLDER})`,
    with: ["plan", "run", "merge", "results"],
  },
  shard: {
    value: "i/n",
    help:
      "run part i of n, balanced by estimated cost (default: what Slurm, an indexed job of Kubernetes or AWS Batch says, else all)",
    with: ["run"],
  },
  shards: {
    value: "N",
    help: "plan for N shards; run the one of N that the scheduler names by its index alone",
    with: ["plan", "run"],
  },
  workers: {
    value: "N",
    help: "run cells in N processes, each with a model of its own (default: 1, this one)",
    with: ["run"],
  },
  queue: {
    value: "postgres://USER@HOST/DB",
    help:
      "share the cells with other machines (default of several workers: a queue of their own, in DIR/queue)",
    with: ["run", "status", "results", "retry"],
  },
  heartbeat: {
    value: "SECONDS",
    help:
      "without a sign of life for so long, a worker's cell is another's (default: 30, at least 10)",
    with: ["run"],
  },
  watch: { help: "tell each change, until all is there or parked", with: ["status"] },
  partial: { help: "write leaderboards though cells are missing", with: ["merge", "results"] },
  fresh: { help: "run every cell again", with: ["run"] },
  "cache-limit": {
    value: "SIZE",
    help: "disk that all that is kept for later runs may take (default: 8GiB)",
    with: ["run"],
  },
  "no-cache": { help: "keep nothing on disk for later runs", with: ["run"] },
  quiet: {
    help: "no progress and no remarks; failures are still told",
    with: ["run", "merge", "results"],
  },
  help: { help: "this text", with: ["plan", "run", "merge", "status", "results", "retry"] },
} as const satisfies Record<string, OptionRow & { readonly with: readonly SweepAction[] }>;

/** A right value of every option that takes one, for messages. */
const EXAMPLES = {
  out: FOLDER,
  shard: "1/4",
  shards: "4",
  workers: "2",
  queue: QUEUE_EXAMPLE,
  heartbeat: "30",
  "cache-limit": "8GiB",
} as const;

/** Checked options of a sweep. */
export interface SweepOptions {
  readonly action: SweepAction | typeof WORKER_ACTION;
  /** The sweep's file; of `merge`, the folders. */
  readonly operands: readonly string[];
  readonly out: string;
  readonly shard?: string;
  readonly shards?: number;
  readonly workers: number;
  /** URL of PostgreSQL. */
  readonly queue?: string;
  /** Seconds. */
  readonly heartbeat: number;
  /** Whether `status` tells every change. */
  readonly watch: boolean;
  readonly partial: boolean;
  readonly fresh: boolean;
  readonly cache: boolean;
  readonly cacheLimit: number;
  readonly quiet: boolean;
}

/** The text of `kvreplay sweep --help`. */
export function sweepHelp(summary: string): string {
  const actions = Object.entries(SWEEP_ACTIONS).map(([name, { operand, help }]) =>
    [`${name} ${operand}`, help] as const
  );
  return `${summary}.

Usage: kvreplay sweep ${Object.keys(SWEEP_ACTIONS).join("|")} ... [OPTIONS]

Actions:
${twoColumns(actions)}

Options:
${optionRows(SWEEP_OPTIONS)}`;
}

/**
 * Parses the arguments of `kvreplay sweep`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the argument and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseSweepOptions } from "./sweep_options.ts";
 *
 * const options = parseSweepOptions(["run", "a.yaml", "--shard=2/4"]);
 * assertEquals([options?.action, options?.operands, options?.shard], ["run", ["a.yaml"], "2/4"]);
 * ```
 */
export function parseSweepOptions(args: readonly string[]): SweepOptions | undefined {
  const valueOptions = Object.keys(EXAMPLES) as (keyof typeof EXAMPLES)[];
  const parsed = parseArgs([...args], {
    string: [...valueOptions, "_"],
    boolean: ["watch", "partial", "fresh", "cache", "quiet", "help"],
    negatable: ["cache"],
    collect: valueOptions,
    alias: { help: "h" },
    default: { cache: true },
    unknown: refuseUnknownOptions(SWEEP_OPTIONS),
  });
  if (parsed.help) return undefined;
  const [first, ...operands] = parsed._.map(String);
  const names = Object.keys(SWEEP_ACTIONS) as SweepAction[];
  if (first === undefined) {
    throw new UsageError(`Expected what to do with a sweep: ${names.join(", ")}`);
  }
  const action = first === WORKER_ACTION ? first : known("action", first, names);
  checkOperands(action, operands);
  const given = valueOptions.filter((name) => parsed[name]!.length > 0) as string[];
  given.push(...(["watch", "partial", "fresh"] as const).filter((name) => parsed[name]));
  if (!parsed.cache) given.push("no-cache");
  for (const name of given) {
    const rows: readonly string[] = SWEEP_OPTIONS[name as keyof typeof SWEEP_OPTIONS].with;
    if (rows.includes(action)) continue;
    throw new UsageError(`--${name} goes with ${rows.join(" and ")}, not with ${action}`);
  }
  const values = new OptionValues(parsed, EXAMPLES);
  const queue = values.text("queue");
  const shard = values.text("shard");
  const shards = values.integer("shards", 1, 100_000);
  if (queue !== undefined && parsed.fresh) {
    throw new UsageError(
      // deno-lint-ignore error-law/value -- the URL may hold a password
      "--queue has cells of others, and --fresh would run theirs again: give one of them",
    );
  }
  if (shard !== undefined) checkShard(shard);
  if (shard !== undefined && shards !== undefined) {
    throw new UsageError(
      `--shard ${shard} says of how many, and --shards ${shards} does too; give one of them`,
    );
  }
  if (queue !== undefined) checkQueue(queue);
  if (queue === undefined && ["status", "results", "retry"].includes(action)) {
    throw new UsageError(`Expected --queue ${EXAMPLES.queue} with ${action}, got none`);
  }
  if (queue !== undefined && (shard ?? shards) !== undefined) {
    throw new UsageError(
      `--queue shares cells as they come, and --shard ${
        shard ?? shards
      } a fixed part of them; give one`,
    );
  }
  return {
    action,
    operands,
    out: values.text("out") ?? FOLDER,
    ...(shard === undefined ? {} : { shard }),
    ...(shards === undefined ? {} : { shards }),
    ...(queue === undefined ? {} : { queue }),
    heartbeat: values.integer("heartbeat", 10, 3600) ?? HEARTBEAT_S,
    workers: values.integer("workers", 1, MOST_WORKERS) ?? 1,
    watch: parsed.watch,
    partial: parsed.partial,
    fresh: parsed.fresh,
    cache: parsed.cache,
    cacheLimit: values.size("cache-limit") ?? DEFAULT_CACHE_LIMIT,
    quiet: parsed.quiet,
  };
}

function checkShard(shard: string): void {
  try {
    shardOf({ shard }, () => undefined);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // deno-lint-ignore error-law/visible -- the sentence names what was wrong
    throw new UsageError(error.message);
  }
}

function checkOperands(action: SweepOptions["action"], operands: readonly string[]): void {
  if (action === WORKER_ACTION) return;
  const { operand } = SWEEP_ACTIONS[action];
  const right = action === "merge" ? operands.length > 0 : operands.length === 1;
  if (right) return;
  throw new UsageError(
    `Expected sweep ${action} ${operand}, got ${givenOperands(operands)} behind ${action}`,
  );
}
