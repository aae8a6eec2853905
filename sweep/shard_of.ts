/**
 * Which shard a process is: as the command line says, else as the scheduler that started it does.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import type { Shard } from "./shards.ts";

/**
 * Variables of schedulers: Slurm's job arrays (sbatch, "Job array support"), indexed jobs of Kubernetes
 * (Job, "completion mode"), array jobs of AWS Batch ("Array jobs"). Indices are from `first`, where the
 * scheduler does not say otherwise. Kubernetes does not tell how many there are.
 */
const SCHEDULERS = [
  {
    index: "SLURM_ARRAY_TASK_ID",
    count: "SLURM_ARRAY_TASK_COUNT",
    first: "SLURM_ARRAY_TASK_MIN",
    step: "SLURM_ARRAY_TASK_STEP",
  },
  { index: "JOB_COMPLETION_INDEX" },
  { index: "AWS_BATCH_JOB_ARRAY_INDEX", count: "AWS_BATCH_JOB_ARRAY_SIZE" },
] as const satisfies readonly {
  index: string;
  count?: string;
  first?: string;
  step?: string;
}[];

/** Every variable that is read. */
export const SHARD_VARIABLES: readonly string[] = SCHEDULERS.flatMap((names) =>
  Object.values(names)
);

/** What the command line says. */
export interface GivenShard {
  /** `i/n`. */
  readonly shard?: string;
  /** How many there are, where only the scheduler knows which one this is. */
  readonly shards?: number;
}

/** A shard, and what said so. */
export interface FoundShard extends Shard {
  /** Absent where nobody said anything and there is one shard. */
  readonly by?: string;
}

/**
 * Finds out which shard this is.
 *
 * @param variable value of an environment variable; undefined for one that is not set
 * @throws {UserError} for what is no shard, naming it and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { shardOf } from "./shard_of.ts";
 *
 * assertEquals(shardOf({ shard: "2/8" }, () => undefined), { index: 2, count: 8, by: "--shard" });
 * const slurm = { SLURM_ARRAY_TASK_ID: "0", SLURM_ARRAY_TASK_MIN: "0", SLURM_ARRAY_TASK_COUNT: "4" };
 * assertEquals(shardOf({}, (name) => slurm[name as keyof typeof slurm]), {
 *   index: 1,
 *   count: 4,
 *   by: "SLURM_ARRAY_TASK_ID",
 * });
 * ```
 */
export function shardOf(
  { shard, shards }: GivenShard,
  variable: (name: string) => string | undefined,
): FoundShard {
  if (shard !== undefined) {
    const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(shard) ?? [];
    return within(Number(index), Number(count), "--shard", shard);
  }
  for (const names of SCHEDULERS) {
    const by = names.index;
    const text = variable(by);
    if (text === undefined) {
      const count = "count" in names ? variable(names.count) : undefined;
      if (count === undefined) continue;
      throw new UserError(
        `${(names as { count: string }).count} is ${
          JSON.stringify(count)
        }, and ${by} is not set; expected both, or --shard i/n`,
      );
    }
    const index = whole(text, by);
    const number = (name: string | undefined, absent: number) => {
      const value = name === undefined ? undefined : variable(name);
      return value === undefined ? absent : whole(value, name!);
    };
    const count = number("count" in names ? names.count : undefined, shards ?? NaN);
    if (Number.isNaN(count)) {
      throw new UserError(
        `${by} is ${text}, and nothing says of how many; give --shards with the number of all`,
      );
    }
    if (shards !== undefined && shards !== count) {
      throw new UserError(`--shards is ${shards}, but the job that ${by} is of has ${count} tasks`);
    }
    const first = number("first" in names ? names.first : undefined, 0);
    const step = number("step" in names ? names.step : undefined, 1);
    return within((index - first) / step + 1, count, by, text);
  }
  if (shards === undefined || shards === 1) return { index: 1, count: 1 };
  throw new UserError(
    `--shards is ${shards}, and nothing says which of them this is: none of ${
      SCHEDULERS.map(({ index }) => index).join(", ")
    } is set; expected one, or --shard i/${shards}`,
  );
}

function whole(text: string, name: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UserError(`${name} is ${JSON.stringify(text)}; expected a whole number`);
}

function within(index: number, count: number, by: string, text: string): FoundShard {
  if (Number.isInteger(index) && index >= 1 && index <= count) return { index, count, by };
  throw new UserError(
    `${by} is ${JSON.stringify(text)}; expected ${
      by === "--shard" ? "i/n with i from 1 to n" : `one of ${count} tasks`
    }`,
  );
}
