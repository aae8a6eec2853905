import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../errors.ts";
import { type GivenShard, SHARD_VARIABLES, shardOf } from "../../sweep/shard_of.ts";

type Variables = Record<string, string>;

const of = (given: GivenShard, variables: Variables = {}) => {
  for (const name of Object.keys(variables)) assertEquals(SHARD_VARIABLES.includes(name), true);
  return shardOf(given, (name) => variables[name]);
};

const SLURM = { SLURM_ARRAY_TASK_ID: "7", SLURM_ARRAY_TASK_COUNT: "4" };

Deno.test("schedulers say which shard a process is, and the command line before them", () => {
  const right: [GivenShard, Variables, string][] = [
    [{}, {}, "1/1"],
    [{ shard: "3/8" }, SLURM, "3/8"],
    // sbatch --array=1,3,5,7 is 1-7:2.
    [
      {},
      { ...SLURM, SLURM_ARRAY_TASK_MIN: "1", SLURM_ARRAY_TASK_STEP: "2" },
      "4/4",
    ],
    [
      {},
      { SLURM_ARRAY_TASK_ID: "0", SLURM_ARRAY_TASK_MIN: "0", SLURM_ARRAY_TASK_COUNT: "2" },
      "1/2",
    ],
    [{ shards: 5 }, { JOB_COMPLETION_INDEX: "4" }, "5/5"],
    [{}, { AWS_BATCH_JOB_ARRAY_INDEX: "1", AWS_BATCH_JOB_ARRAY_SIZE: "3" }, "2/3"],
  ];
  for (const [given, variables, expected] of right) {
    const { index, count } = of(given, variables);
    assertEquals(`${index}/${count}`, expected);
  }
});

Deno.test("what is no shard is refused, with what would be right", () => {
  const wrong: [GivenShard, Variables, string][] = [
    [{ shard: "0/4" }, {}, '--shard is "0/4"; expected i/n with i from 1 to n'],
    [{ shard: "5/4" }, {}, '"5/4"'],
    [{ shard: "half" }, {}, '"half"'],
    [{ shards: 4 }, {}, "nothing says which of them this is"],
    [{}, { JOB_COMPLETION_INDEX: "1" }, "JOB_COMPLETION_INDEX is 1, and nothing says of how many"],
    [
      { shards: 2 },
      { JOB_COMPLETION_INDEX: "2" },
      'JOB_COMPLETION_INDEX is "2"; expected one of 2',
    ],
    [{}, { JOB_COMPLETION_INDEX: "" }, 'JOB_COMPLETION_INDEX is ""; expected a whole number'],
    [
      {},
      { SLURM_ARRAY_TASK_COUNT: "4" },
      'SLURM_ARRAY_TASK_COUNT is "4", and SLURM_ARRAY_TASK_ID is not set; expected both',
    ],
    [{ shards: 2 }, { JOB_COMPLETION_INDEX: "x" }, 'is "x"; expected a whole number'],
    [{ shards: 3 }, SLURM, "--shards is 3, but the job that SLURM_ARRAY_TASK_ID is of has 4 tasks"],
    // A hole in the array leaves no shard to those behind it.
    [{}, { ...SLURM, SLURM_ARRAY_TASK_MIN: "1" }, 'SLURM_ARRAY_TASK_ID is "7"'],
  ];
  for (const [given, variables, message] of wrong) {
    assertThrows(() => of(given, variables), UserError, message);
  }
});
