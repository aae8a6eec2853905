/**
 * The list of a sweep's cells, with what each is expected to take and whether it is there.
 *
 * @module
 */
import prettyBytes from "pretty-bytes";
import { UserError } from "../errors.ts";
import { CellStore } from "../leaderboard/cell_store.ts";
import { alignedRows } from "../report/table.ts";
import { cellText, groupOf, type SweepCell, type SweepDefinition } from "./definition.ts";
import { type Estimate, Estimates } from "./estimate.ts";
import type { OpenBenchmarks } from "./open_benchmarks.ts";
import { readRecords } from "./record.ts";
import { dealt } from "./shards.ts";

/** A cell of a plan. */
export interface PlannedCell {
  readonly cell: SweepCell;
  /** From 1. */
  readonly shard: number;
  readonly estimate: Estimate;
  /** Whether it is there, finished by the same source. */
  readonly finished: boolean;
}

/** A sweep's plan. */
export interface Plan {
  /** Shard by shard, in the order in which each runs them. */
  readonly cells: readonly PlannedCell[];
  /** What each shard takes, with models that are opened and references that are run. */
  readonly shards: readonly Estimate[];
  /** What finished cells took for each second that was expected; 1 where there are none. */
  readonly scale: number;
}

/**
 * Makes the plan of a sweep.
 *
 * @param count shards
 * @param out folder that may hold cells of it
 * @param sources hash of the source that decides each policy's numbers
 */
export async function planOf(
  sweep: SweepDefinition,
  count: number,
  out: string,
  sources: Readonly<Record<string, string>>,
  benchmarks: OpenBenchmarks,
): Promise<Plan> {
  const estimates = await Estimates.of(sweep, benchmarks);
  const took = await finishedCells(sweep, out, sources);
  const scale = scaleOf([...took.values()], estimates);
  const hands = dealt(sweep, estimates, count);
  const scaled = ({ seconds, bytes }: Estimate) => ({ seconds: seconds * scale, bytes });
  return {
    scale,
    cells: hands.flatMap(({ cells }, i) =>
      cells.map((cell) => ({
        cell,
        shard: i + 1,
        estimate: scaled(estimates.cell(cell)),
        finished: took.has(cellText(cell)),
      }))
    ),
    shards: hands.map(({ cells, seconds }) =>
      scaled({ seconds, bytes: mostBytes(estimates, cells) })
    ),
  };
}

/** What finished cells took for each second that was expected, references included. */
function scaleOf(took: readonly Took[], estimates: Estimates): number {
  if (took.length === 0) return 1;
  const places = new Map(
    took.map(({ cell }) => [groupOf(cell), cell]),
  );
  const expected = took.reduce((sum, { cell }) => sum + estimates.cell(cell).seconds, 0) +
    [...places.values()].reduce((sum, c) => sum + estimates.reference(c.model, c.benchmark), 0);
  return took.reduce((sum, { seconds }) => sum + seconds, 0) / expected;
}

/** A finished cell, and how long it took. */
interface Took {
  readonly cell: SweepCell;
  readonly seconds: number;
}

/** Memory of one process that runs these cells. */
export function mostBytes(estimates: Estimates, cells: readonly SweepCell[]): number {
  return Math.max(0, ...cells.map((cell) => estimates.cell(cell).bytes));
}

/**
 * Refuses more workers than there is memory for.
 *
 * @param bytes of each
 * @param free bytes that there are; undefined when that is not known
 * @throws {UserError} saying how many fit
 */
export function checkMemory(workers: number, bytes: number, free: number | undefined): void {
  if (workers === 1 || free === undefined || workers * bytes <= free) return;
  throw new UserError(
    `${workers} workers take about ${memory(bytes)} each, ${
      memory(workers * bytes)
    } together, of which ${memory(Math.max(0, free))} are free; give --workers ${
      Math.max(1, Math.floor(free / bytes))
    }`,
  );
}

async function finishedCells(
  sweep: SweepDefinition,
  out: string,
  sources: Readonly<Record<string, string>>,
): Promise<Map<string, Took>> {
  const found = new Map<string, Took>();
  const there = await Deno.stat(`${out}/shards`).then(() => true, () => false);
  if (!there) return found;
  const store = new CellStore(`${out}/cells`);
  for (const { outcomes } of await readRecords(out)) {
    for (const outcome of outcomes) {
      if (outcome.kind !== "finished") continue;
      const cell = await store.named(outcome.file).catch(() => undefined);
      if (cell === undefined || cell.key.source_hash !== sources[outcome.cell.policy]) continue;
      const { limit, budget_bits } = cell.key;
      if (limit !== sweep.limit || budget_bits !== sweep.budget_bits) continue;
      found.set(cellText(outcome.cell), {
        cell: outcome.cell,
        seconds: cell.environment.seconds,
      });
    }
  }
  return found;
}

const HEADER = ["cell", "seed", "shard", "time", "memory", ""];

/** A plan for a terminal: a line a cell, and a line a shard. */
export function planText({ cells, shards, scale }: Plan): string {
  const rows = cells.map(({ cell: { model, benchmark, policy, seed }, ...cell }) => [
    `${model} ${benchmark} ${policy}`,
    String(seed),
    String(cell.shard),
    duration(cell.estimate.seconds),
    memory(cell.estimate.bytes),
    cell.finished ? "finished" : "to do",
  ]);
  const done = cells.filter(({ finished }) => finished).length;
  return [
    ...alignedRows([HEADER, ...rows]),
    "",
    ...shards.map(({ seconds, bytes }, i) => {
      const own = cells.filter(({ shard }) => shard === i + 1).length;
      return `Shard ${i + 1} of ${shards.length}: ${own} cells, ${duration(seconds)}, ${
        memory(bytes)
      }`;
    }),
    `${cells.length} cells, ${done} finished; times are ${
      scale === 1 ? "of two cores, and" : "scaled by those of finished cells, and"
    } estimates`,
  ].join("\n");
}

/** Seconds as a person reads them. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toPrecision(2)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function memory(bytes: number): string {
  return prettyBytes(bytes, { binary: true, maximumFractionDigits: 1 });
}
