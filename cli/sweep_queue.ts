/**
 * The queue of a sweep: shares its cells, and tells, brings or tries anew what is in it.
 *
 * @module
 */
import { openOutputFolder } from "../report/output_folder.ts";
import { print, tell } from "../report/terminal.ts";
import { hasFile } from "../sweep/benchmark_entry.ts";
import { runCrew } from "../sweep/crew.ts";
import { cellsOf, type SweepCell, type SweepDefinition } from "../sweep/definition.ts";
import { joinShards } from "../sweep/join.ts";
import { CellQueue } from "../sweep/queue/cell_queue.ts";
import { QueueDatabase, type QueuePlace } from "../sweep/queue/database.ts";
import { progressText, statusText } from "../sweep/queue/status_text.ts";
import { type SweepProgram, writeRecord } from "../sweep/record.ts";
import type { WorkerAnswer } from "../sweep/worker.ts";
import { EXIT } from "./failure.ts";
import { InterruptListener } from "./interrupt.ts";
import { gpusOfWorkers, launchWorker } from "./launch_worker.ts";
import { finishBoards } from "./sweep_boards.ts";
import { programOf, readSweep } from "./sweep_file.ts";
import type { SweepOptions } from "./sweep_options.ts";
import type { Running } from "./sweep_running.ts";

/** Runs the actions `status`, `results` and `retry`; the result is the exit code. */
export async function lookAfterQueue(options: SweepOptions): Promise<number> {
  if (options.action === "results") return await results(options);
  return await (options.action === "retry" ? retry : queueStatus)(options);
}

/** Runs cells of a queue by processes of this machine, until none is left anywhere. */
export async function shareCells(
  place: QueuePlace,
  cells: readonly SweepCell[],
  done: (answer: WorkerAnswer) => void,
  { options, setup, program, live, inform }: Running,
): Promise<void> {
  await using database = await QueueDatabase.open(place, inform);
  await using queue = await CellQueue.open(database, {
    ...{ cells, program, sweep: setup.sweep, out: setup.out, heartbeat: options.heartbeat, done },
    worker: workerName(),
  });
  await queue.fill();
  if ("folder" in place) {
    await queue.retry(true);
    for (const recorded of await queue.bring()) done({ ...recorded, reused: true });
  }
  const sandbox = setup.sweep.benchmarks.some(hasFile);
  const gpus = gpusOfWorkers(options.workers, setup.sweep.device, inform);
  await runCrew(queue, {
    ...{ workers: options.workers, setup, notice: inform },
    launch: (worker) => {
      const gpu = gpus[worker % gpus.length];
      return launchWorker({ sandbox, ...(gpu === undefined ? {} : { gpu }) });
    },
    busy: (worker, cell) => live.busy(worker, cell),
  });
}

/** Opens the queue of a sweep's file and does something with it. */
async function withQueue<V>(
  options: SweepOptions,
  body: (queue: CellQueue, sweep: SweepDefinition, program: SweepProgram) => Promise<V>,
): Promise<V> {
  const sweep = await readSweep(options.operands[0]!);
  const program = await programOf(sweep);
  await using database = await QueueDatabase.open({ url: options.queue! }, tell);
  await using queue = await CellQueue.open(database, {
    ...{ cells: cellsOf(sweep), program, sweep, out: options.out, worker: workerName() },
    heartbeat: options.heartbeat,
  });
  return await body(queue, sweep, program);
}

async function queueStatus(options: SweepOptions): Promise<number> {
  return await withQueue(options, async (queue) => {
    if (options.watch) await queue.watch((status) => print(progressText(status)));
    const status = await queue.status();
    print(statusText(status));
    return status.parked.length > 0 ? EXIT.failed : 0;
  });
}

async function retry(options: SweepOptions): Promise<number> {
  return await withQueue(options, async (queue) => {
    await queue.fill();
    print(`${await queue.retry(false)} cells are tried anew`);
    return 0;
  });
}

async function results(options: SweepOptions): Promise<number> {
  const inform = (sentence: string) => {
    if (!options.quiet) tell(sentence);
  };
  using interrupts = new InterruptListener({ outcome: "nothing was written" }, false);
  return await withQueue(options, async (queue, sweep, program) => {
    for (const folder of [options.out, `${options.out}/cells`]) openOutputFolder(folder);
    const outcomes = await queue.bring();
    writeRecord(options.out, { sweep, program, shard: { index: 1, count: 1 }, outcomes });
    const joined = await joinShards([options.out], tell);
    return await finishBoards(joined, options, interrupts, inform);
  });
}

/** Host and process, for who looks at a queue. */
function workerName(): string {
  return `${Deno.hostname()}:${Deno.pid}`;
}
