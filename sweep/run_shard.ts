/**
 * Runs the cells of a shard and keeps what becomes of each.
 *
 * @module
 */
import { cellText, type SweepCell, type SweepDefinition } from "./definition.ts";
import { type Recorded, type SweepProgram, writeRecord } from "./record.ts";
import type { Shard } from "./shards.ts";
import { recordedOf, type WorkerAnswer } from "./worker.ts";

/** What a shard is given. */
export interface ShardRun {
  readonly sweep: SweepDefinition;
  readonly program: SweepProgram;
  readonly shard: Shard;
  /** Folder of its cells and its record. */
  readonly out: string;
  readonly cells: readonly SweepCell[];
  /** Runs cells, and tells of each as soon as it is there, in any order. */
  readonly run: (
    cells: readonly SweepCell[],
    done: (answer: WorkerAnswer) => void,
  ) => Promise<void>;
  readonly progress?: (done: number, answer: WorkerAnswer) => void;
}

/** Runs a shard; the result is what became of its cells, in the order of the sweep. */
export async function runShard(
  { sweep, program, shard, out, cells, run, progress }: ShardRun,
): Promise<readonly Recorded[]> {
  const recorded = new Map<string, Recorded>();
  const outcomes = () => cells.flatMap((cell) => recorded.get(cellText(cell)) ?? []);
  const write = () => writeRecord(out, { sweep, program, shard, outcomes: outcomes() });
  write();
  await run(cells, (answer) => {
    recorded.set(cellText(answer.cell), recordedOf(answer));
    write();
    progress?.(recorded.size, answer);
  });
  return outcomes();
}
