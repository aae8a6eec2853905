/**
 * What the shards of a sweep came to, as one: refuses what was not made by one program, of one model
 * and one benchmark, and says what is missing.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import type { FailedCell, Misfit } from "../leaderboard/board.ts";
import type { Cell, CellKey } from "../leaderboard/cell.ts";
import { CellError } from "../leaderboard/cell_file.ts";
import { CellStore } from "../leaderboard/cell_store.ts";
import { cellsOf, cellText, type SweepCell, type SweepDefinition, sweepId } from "./definition.ts";
import { isSame, otherSource, readRecords, type Recorded, type ShardRecord } from "./record.ts";

/** A sweep with all that is there of it. */
export interface Joined {
  readonly sweep: SweepDefinition;
  /** In the order of the sweep. */
  readonly cells: readonly Cell[];
  readonly failures: readonly (FailedCell & { readonly seed: number })[];
  readonly misfits: readonly Misfit[];
  /** Cells that no shard has anything to say of, in the order of the sweep. */
  readonly missing: readonly SweepCell[];
}

/** A cell, and where it is from. */
interface Source {
  readonly cell: Cell;
  readonly from: string;
}

/**
 * Joins the folders that shards wrote to; each may hold several.
 *
 * @param notice takes a sentence for the user: a cell that is there and damaged
 * @throws {UserError} when they are of different sweeps, programs, models or benchmarks
 */
export async function joinShards(
  folders: readonly string[],
  notice: (sentence: string) => void,
): Promise<Joined> {
  const found: { readonly folder: string; readonly record: ShardRecord }[] = [];
  for (const folder of folders) {
    for (const record of await readRecords(folder)) found.push({ folder, record });
  }
  await checkRecords(found);
  const sources = new Map<string, Source>();
  const told = new Map<string, Exclude<Recorded, { kind: "finished" }>>();
  for (const { folder, record } of found) {
    const store = new CellStore(`${folder}/cells`);
    for (const outcome of record.outcomes) {
      const name = cellText(outcome.cell);
      if (outcome.kind !== "finished") {
        told.set(name, outcome);
        continue;
      }
      if (sources.has(name)) continue;
      const cell = await wholeCell(store, outcome.file, notice);
      if (cell === undefined) continue;
      const from = `${folder}/cells/${outcome.file}`;
      checkCell(cell, outcome.cell, record, from);
      sources.set(name, { cell, from });
    }
  }
  const { sweep } = found[0]!.record;
  checkAlike([...sources.values()]);
  return joined(sweep, (cell) => sources.get(cellText(cell))?.cell ?? told.get(cellText(cell)));
}

/**
 * A sweep from what is known of each of its cells.
 *
 * @param of the cell, or why there is none; undefined for a cell that nobody knows of
 */
export function joined(
  sweep: SweepDefinition,
  of: (cell: SweepCell) => Cell | Exclude<Recorded, { kind: "finished" }> | undefined,
): Joined {
  const cells: Cell[] = [];
  const failures: (FailedCell & { readonly seed: number })[] = [];
  const misfits = new Map<string, Misfit>();
  const missing: SweepCell[] = [];
  for (const cell of cellsOf(sweep)) {
    const { model, benchmark: slice, policy, seed } = cell;
    const known = of(cell);
    if (known === undefined) missing.push(cell);
    else if ("key" in known) cells.push(known);
    else if (known.kind === "failed") {
      failures.push({ model, slice, policy, seed, reason: known.reason });
    } else {
      misfits.set(JSON.stringify([model, policy]), { model, policy, reason: known.reason });
    }
  }
  return { sweep, cells, failures, misfits: [...misfits.values()], missing };
}

async function checkRecords(
  found: readonly { readonly folder: string; readonly record: ShardRecord }[],
): Promise<void> {
  const [first, ...others] = found;
  const place = ({ folder, record: { shard } }: typeof first & object) =>
    `shard ${shard.index} of ${shard.count} in ${folder}`;
  const id = await sweepId(first!.record.sweep);
  for (const other of others) {
    if (await sweepId(other.record.sweep) !== id) {
      throw new UserError(
        `The ${place(other)} is of another sweep than the ${place(first!)}; expected one sweep`,
      );
    }
    const [a, b] = [first!.record.program, other.record.program];
    if (isSame(a, b)) continue;
    const policy = otherSource(a, b);
    throw new UserError(
      `The ${place(other)} was run by version ${b.version} at commit ${b.commit}, the ${
        place(first!)
      } by version ${a.version} at commit ${a.commit}, and ${
        policy === undefined ? "versions" : `the sources of ${policy}`
      } differ; expected one program`,
    );
  }
}

async function wholeCell(
  store: CellStore,
  file: string,
  notice: (sentence: string) => void,
): Promise<Cell | undefined> {
  try {
    return await store.named(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) notice(`Cell ${file} is not there`);
    else if (error instanceof CellError) notice(error.message);
    else throw error;
    return undefined;
  }
}

/** Whether a cell is the one that a record says it is. */
function checkCell(
  { key }: Cell,
  { model, benchmark, policy, seed }: SweepCell,
  { sweep, program }: ShardRecord,
  from: string,
): void {
  const expected: Partial<CellKey> = {
    ...{ model, slice: benchmark, policy, seed },
    ...{ limit: sweep.limit, budget_bits: sweep.budget_bits },
    ...(program.sources[policy] === undefined ? {} : { source_hash: program.sources[policy] }),
  };
  for (const [field, value] of Object.entries(expected)) {
    const is = key[field as keyof CellKey];
    if (is === value) continue;
    throw new UserError(`${from} has ${is} for ${field}; its shard's record expected ${value}`);
  }
}

/** What must be the same in all cells that share something. */
const ALIKE = [
  { of: "model", field: "model_hash", what: "another version of the model" },
  { of: "model", field: "calibration_set", what: "other texts to learn from on the model" },
  { of: "slice", field: "slice_hash", what: "another version of the benchmark" },
  { of: "slice", field: "max_new_tokens", what: "another longest answer on the benchmark" },
  { of: "policy", field: "source_hash", what: "another version of the source of the policy" },
  { of: undefined, field: "contract", what: "another version of the contract" },
  { of: undefined, field: "engine", what: "another device" },
] as const satisfies readonly {
  of: keyof CellKey | undefined;
  field: keyof CellKey;
  what: string;
}[];

/** @throws {UserError} for cells that do not belong on one leaderboard */
function checkAlike(sources: readonly Source[]): void {
  for (const { of, field, what } of ALIKE) {
    const first = new Map<unknown, Source>();
    for (const source of sources) {
      const group = of === undefined ? "" : source.cell.key[of];
      const before = first.get(group);
      if (before === undefined) first.set(group, source);
      else if (before.cell.key[field] !== source.cell.key[field]) {
        throw new UserError(
          `${source.from} is of ${what}${group === "" ? "" : ` ${group}`} than ${before.from}: ${
            source.cell.key[field]
          } and ${before.cell.key[field]}; expected one`,
        );
      }
    }
  }
}
