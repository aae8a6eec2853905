/**
 * Runs the cells of a shard and keeps what becomes of each.
 *
 * @module
 */
import { cellText, type SweepCell, type SweepDefinition } from "./definition.ts";
import { type Recorded, RecordFile, type SweepProgram } from "./record.ts";
import type { Shard } from "./shards.ts";
import { recordedOf, type WorkerAnswer } from "./worker.ts";

/** What a shard is given. */
export interface ShardRun {
  readonly sweep: SweepDefinition;
  readonly program: SweepProgram;
  readonly shard: Shard;
  /** Folder of its cells and its record. */
  readonly out: string;
  /** Begins its record anew. */
  readonly fresh: boolean;
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
  { sweep, program, shard, out, fresh, cells, run, progress }: ShardRun,
): Promise<readonly Recorded[]> {
  using record = await RecordFile.open(out, { sweep, program, shard }, fresh);
  const done = new Set<string>();
  await run(cells, (answer) => {
    record.add(recordedOf(answer));
    done.add(cellText(answer.cell));
    progress?.(done.size, answer);
  });
  return cells.flatMap((cell) => record.outcomes.get(cellText(cell)) ?? []);
}
