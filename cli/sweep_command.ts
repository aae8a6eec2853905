/**
 * What can be done with a sweep, by name.
 *
 * @module
 */
import { CellStore } from "../leaderboard/cell_store.ts";
import { openOutputFolder } from "../report/output_folder.ts";
import { print, tell } from "../report/terminal.ts";
import { joinShards } from "../sweep/join.ts";
import { OpenBenchmarks } from "../sweep/open_benchmarks.ts";
import { planOf, planText } from "../sweep/plan.ts";
import { InterruptListener } from "./interrupt.ts";
import { finishBoards } from "./sweep_boards.ts";
import { readSweep, sourcesOf } from "./sweep_file.ts";
import type { SweepOptions } from "./sweep_options.ts";
import { VERSION } from "./version.ts";

/** Runs the command; the exit code is 1 when a cell failed or is missing, else 0. */
export async function sweepCommand(options: SweepOptions): Promise<number> {
  switch (options.action) {
    case "plan":
      return await plan(options);
    case "merge":
      return await merge(options);
    case "run": {
      const { runSweep } = await import("./sweep_run.ts");
      return await runSweep(options);
    }
    case "worker": {
      const { workHere } = await import("./sweep_worker.ts");
      return await workHere();
    }
    default: {
      const { lookAfterQueue } = await import("./sweep_queue.ts");
      return await lookAfterQueue(options);
    }
  }
}

async function plan({ operands, shards = 1, out }: SweepOptions): Promise<number> {
  const sweep = await readSweep(operands[0]!);
  await using benchmarks = new OpenBenchmarks(sweep.benchmarks, VERSION);
  print(planText(await planOf(sweep, shards, out, await sourcesOf(sweep), benchmarks)));
  return 0;
}

async function merge(options: SweepOptions): Promise<number> {
  const inform = (sentence: string) => {
    if (!options.quiet) tell(sentence);
  };
  using interrupts = new InterruptListener({ outcome: "nothing was written" }, false);
  const joined = await joinShards(options.operands, tell);
  openOutputFolder(options.out);
  const store = new CellStore(`${options.out}/cells`);
  for (const cell of joined.cells) await store.save(cell);
  return await finishBoards(joined, options, interrupts, inform);
}
