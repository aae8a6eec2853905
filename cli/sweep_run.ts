/**
 * Runs a sweep, or this machine's part of one: here, or by workers.
 *
 * @module
 */
import { freeMemory } from "../engine/devices/free_memory.ts";
import { CellStore } from "../leaderboard/cell_store.ts";
import type { ReadyModel } from "../leaderboard/fill.ts";
import { openModel } from "../leaderboard/ready_model.ts";
import { openOutputFolder } from "../report/output_folder.ts";
import { StatusLine } from "../report/status_line.ts";
import { benchmarkName, hasFile } from "../sweep/benchmark_entry.ts";
import { CellRunner } from "../sweep/cell_runner.ts";
import { cellText, type SweepCell } from "../sweep/definition.ts";
import { Estimates } from "../sweep/estimate.ts";
import { joinShards } from "../sweep/join.ts";
import { LiveFile } from "../sweep/live.ts";
import { OpenBenchmarks } from "../sweep/open_benchmarks.ts";
import { checkMemory, mostBytes } from "../sweep/plan.ts";
import { runShard } from "../sweep/run_shard.ts";
import { type FoundShard, shardOf } from "../sweep/shard_of.ts";
import { dealt } from "../sweep/shards.ts";
import { answerOf, type WorkerAnswer, type WorkerSetup } from "../sweep/worker.ts";
import { EXIT } from "./failure.ts";
import type { Making } from "./provenance.ts";
import { InterruptListener } from "./interrupt.ts";
import { runCache } from "./run_cache.ts";
import { terminalColumns } from "./surroundings.ts";
import { finishBoards } from "./sweep_boards.ts";
import { programOf, readSweep } from "./sweep_file.ts";
import type { SweepOptions } from "./sweep_options.ts";
import type { Running } from "./sweep_running.ts";
import { readyOptions } from "./sweep_worker.ts";
import { VERSION } from "./version.ts";

/** A sweep that a manifest says. */
export interface AgainSweep extends Pick<Making, "found"> {
  /** Files by the path that the sweep has for them. */
  readonly moved: ReadonlyMap<string, string>;
}

/**
 * Runs the cells of a sweep that are this machine's; the exit code is 1 when one failed, else 0.
 *
 * @param again where it is run to be compared: no scheduler is asked
 */
export async function runSweep(options: SweepOptions, again?: AgainSweep): Promise<number> {
  const { out, quiet, workers, queue } = options;
  const place = (path: string) => again?.moved.get(path) ?? path;
  const read = await readSweep(place(options.operands[0]!));
  const sweep = {
    ...read,
    benchmarks: read.benchmarks.map((one) =>
      hasFile(one) ? { ...one, file: place(one.file) } : one
    ),
  };
  // Whoever shares a queue runs what comes.
  const shard: FoundShard = queue === undefined && again === undefined
    ? shardOf(options, (name) => Deno.env.get(name))
    : { index: 1, count: 1 };
  const bar = !quiet && Deno.stderr.isTerminal();
  const status = new StatusLine({ bar, ...terminalColumns() });
  const inform = (sentence: string) => {
    if (!quiet) status.notice(sentence);
  };
  using interrupts = new InterruptListener({
    outcome: `finished cells are in ${out}/cells, and the same command goes on from there`,
  }, bar);
  await using benchmarks = new OpenBenchmarks(sweep.benchmarks, VERSION);
  const estimates = await Estimates.of(sweep, benchmarks);
  const { cells } = dealt(sweep, estimates, shard.count)[shard.index - 1]!;
  if (shard.by !== undefined) {
    inform(`Shard ${shard.index} of ${shard.count} (${shard.by}): ${cells.length} cells`);
  }
  checkMemory(workers, mostBytes(estimates, cells), await freeMemory());
  for (const folder of [out, `${out}/cells`, `${out}/shards`]) openOutputFolder(folder);
  const program = await programOf(sweep);
  const setup: WorkerSetup = {
    ...{ sweep, out, fresh: options.fresh, commit: program.commit },
    threads: Math.max(1, Math.floor(navigator.hardwareConcurrency / workers)),
    ...await runCache(options, inform),
  };
  const failed = new Set<string>();
  const name = queue === undefined ? `${shard.index}-of-${shard.count}` : `queue-${Deno.pid}`;
  using live = new LiveFile(out, name, workers, cells.length);
  const progress = (done: number, answer: WorkerAnswer) => {
    live.progress(done);
    const line = `[${done}/${cells.length}] ${cellText(answer.cell)}: ${answerText(answer)}`;
    status.progress(done, cells.length, cellText(answer.cell));
    if (answer.kind !== "failed") return inform(line);
    failed.add(cellText(answer.cell));
    status.notice(line);
  };
  const opened = async ({ fingerprint: hash }: ReadyModel, name: string) => {
    if (again?.found === undefined) return;
    const slices = await Promise.all(
      sweep.benchmarks.map(benchmarkName).map(async (slice) => ({
        name: slice,
        sha256: await (await benchmarks.get(slice)).hash(),
      })),
    );
    again.found({ models: [{ name, hash }], slices });
  };
  const running = { options, setup, program, shard, benchmarks, live, inform, opened };
  try {
    if (queue !== undefined) {
      let done = 0;
      const { shareCells } = await import("./sweep_queue.ts");
      await shareCells({ url: queue }, cells, (answer) => progress(++done, answer), running);
    } else {
      await runShard({
        ...{ sweep, program, shard: { index: shard.index, count: shard.count }, out, cells },
        fresh: options.fresh,
        run: (cells, done) => (workers === 1 ? inThisProcess : byWorkers)(cells, done, running),
        progress,
      });
    }
  } finally {
    await status.stop();
  }
  if (queue !== undefined || shard.count > 1) {
    interrupts.leave({ outcome: `finished cells are in ${out}/cells` });
    inform(
      queue !== undefined
        ? `Nothing is left to run; "sweep results" brings what all came to`
        : `Shard ${shard.index} of ${shard.count} is in ${out}; "sweep merge" joins all`,
    );
    return failed.size > 0 ? EXIT.failed : 0;
  }
  const joined = await joinShards([out], inform);
  return await finishBoards(joined, options, interrupts, inform);
}

type RunCells = (
  cells: readonly SweepCell[],
  done: (answer: WorkerAnswer) => void,
  running: Running,
) => Promise<void>;

/** One after the other, here. */
const inThisProcess: RunCells = async (
  cells,
  done,
  { setup, benchmarks, live, inform, opened },
) => {
  await using runner = new CellRunner({
    ...setup,
    store: new CellStore(`${setup.out}/cells`, inform),
    open: (name) => openModel(name, readyOptions(setup, inform), (one) => benchmarks.get(one)),
    opened,
  });
  for (const cell of cells) {
    live.busy(0, cell);
    const outcome = await runner.run(cell);
    live.busy(0, undefined);
    done(await answerOf(cell, outcome));
  }
};

/** Several at a time, from a queue of this shard's own; what failed before is tried anew. */
const byWorkers: RunCells = async (cells, done, running) => {
  const { index, count } = running.shard;
  const folder = `${running.setup.out}/queue/${index}-of-${count}`;
  if (running.options.fresh) await Deno.remove(folder, { recursive: true }).catch(() => {});
  const { shareCells } = await import("./sweep_queue.ts");
  await shareCells({ folder }, cells, done, running);
};

function answerText(answer: WorkerAnswer): string {
  if (answer.kind !== "finished") {
    return answer.kind === "failed" ? answer.reason : `not applicable: ${answer.reason}`;
  }
  if (answer.told === undefined) return "finished before";
  const { quality_main, peak_kv_memory_mb, seconds } = answer.told;
  const how = answer.reused ? "finished before" : `${seconds.toFixed(1)} s`;
  return `quality_main ${quality_main.toFixed(2)}, ${peak_kv_memory_mb.toFixed(3)} MiB (${how})`;
}
