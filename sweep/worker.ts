/**
 * A worker: a process that runs one cell after the other and has one model open. Its parent writes
 * lines of JSON to its standard input, first the setup and then cells, and reads one line back for
 * each. It ends with its parent, whose end of the pipe closes.
 *
 * @module
 */
import { cellFileName } from "../leaderboard/cell.ts";
import { CellStore } from "../leaderboard/cell_store.ts";
import type { ReadyModel } from "../leaderboard/fill.ts";
import { CellRunner, type Outcome } from "./cell_runner.ts";
import type { SweepCell, SweepDefinition } from "./definition.ts";
import { OpenBenchmarks } from "./open_benchmarks.ts";
import type { Recorded } from "./record.ts";
import { linesOf } from "./text_lines.ts";
import { tell } from "../report/terminal.ts";

/** What a worker is told first. */
export interface WorkerSetup {
  readonly sweep: SweepDefinition;
  /** Folder of cells. */
  readonly out: string;
  /** Runs cells that are there, too. */
  readonly fresh: boolean;
  /** Threads of device `cpu`. */
  readonly threads: number;
  /** Folder that references and calibrations are kept in; absent keeps nothing. */
  readonly cache?: string;
  readonly cacheLimit?: number;
  /** Of the project. */
  readonly commit: string;
}

/** What a worker answers to a cell: what became of it, and what a person wants to know of it at once. */
export type WorkerAnswer =
  | Exclude<Recorded, { kind: "finished" }> & { readonly reused?: boolean }
  | Extract<Recorded, { kind: "finished" }> & {
    /** Whether it was there before. */
    readonly reused: boolean;
    readonly told?: {
      readonly quality_main: number;
      readonly peak_kv_memory_mb: number;
      readonly seconds: number;
    };
  };

/**
 * Runs cells until there are no more; the program of a worker.
 *
 * @param version of the package
 */
export async function work(
  input: ReadableStream<Uint8Array>,
  answer: (line: string) => void,
  version: string,
  open: (model: string, setup: WorkerSetup, benchmarks: OpenBenchmarks) => Promise<ReadyModel>,
): Promise<void> {
  await using held = new AsyncDisposableStack();
  let runner: CellRunner | undefined;
  for await (const line of linesOf(input)) {
    if (runner === undefined) {
      const setup: WorkerSetup = JSON.parse(line);
      const benchmarks = held.use(new OpenBenchmarks(setup.sweep.benchmarks, version));
      runner = held.use(
        new CellRunner({
          ...setup,
          store: new CellStore(`${setup.out}/cells`, tell),
          open: (model) => open(model, setup, benchmarks),
        }),
      );
      continue;
    }
    const cell: SweepCell = JSON.parse(line);
    answer(JSON.stringify(await answerOf(cell, await runner.run(cell))));
  }
}

/** What is answered of an outcome. */
export async function answerOf(cell: SweepCell, outcome: Outcome): Promise<WorkerAnswer> {
  if ("reason" in outcome) return { cell, kind: outcome.kind, reason: outcome.reason };
  const { key, numbers: { quality_main, peak_kv_memory_mb }, environment } = outcome.cell;
  return {
    ...{ cell, kind: "finished", file: await cellFileName(key) },
    reused: outcome.kind === "reused",
    told: { quality_main, peak_kv_memory_mb, seconds: environment.seconds },
  };
}

/** What is kept of an answer. */
export function recordedOf(answer: WorkerAnswer): Recorded {
  if (answer.kind !== "finished") {
    const { cell, kind, reason } = answer;
    return { cell, kind, reason };
  }
  const { cell, kind, file } = answer;
  return { cell, kind, file };
}
