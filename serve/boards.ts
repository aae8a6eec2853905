/**
 * Sweeps and leaderboards below a folder: their cells, what is running, and their reports.
 *
 * @module
 */
import { join, relative } from "node:path";
import type { Cell } from "../leaderboard/cell.ts";
import { CellStore } from "../leaderboard/cell_store.ts";
import { LIVE_FOLDER, type LiveRecord, liveRecord } from "../sweep/live.ts";
import { readRecords } from "../sweep/record.ts";

/** Folders in folders, from the one that is served. */
const DEEPEST = 3;

/** A run that is under way, or was killed. */
export interface LiveRun {
  readonly name: string;
  readonly record: LiveRecord;
  /** When it last wrote, in milliseconds since 1970. */
  readonly written: number;
}

/** One sweep or leaderboard. */
export interface ServedBoard {
  /** Path below the folder that is served; "." for that itself. */
  readonly name: string;
  readonly path: string;
  /** Without their examples: a page has no use for them. The newest of each place, policy and seed. */
  readonly cells: readonly Cell[];
  /** Cells that failed, each with its sentence. */
  readonly failures: readonly { readonly name: string; readonly reason: string }[];
  readonly live: readonly LiveRun[];
  /** Whether there is a report. */
  readonly report: boolean;
}

/** Reads a folder again and again; a cell's file is read once. */
export class BoardReader {
  readonly #cells = new Map<string, { readonly mtime: number; readonly cell: Cell | undefined }>();

  constructor(private readonly folder: string) {}

  /** Every board that is there now. */
  async boards(): Promise<ServedBoard[]> {
    const found: ServedBoard[] = [];
    for (const path of foldersBelow(this.folder, DEEPEST)) {
      const names = namesIn(path);
      if (!names.includes("cells") && !names.includes(LIVE_FOLDER)) continue;
      found.push({
        name: relative(this.folder, path) || ".",
        path,
        cells: await this.#cellsIn(path),
        failures: await failuresIn(path, names),
        live: await liveIn(path),
        report: names.includes("report.html"),
      });
    }
    return found;
  }

  async #cellsIn(path: string): Promise<Cell[]> {
    const store = new CellStore(`${path}/cells`);
    const newest = new Map<string, Cell>();
    for (const name of namesIn(`${path}/cells`)) {
      if (!name.endsWith(".json")) continue;
      const cell = await this.#cell(store, `${path}/cells/${name}`, name);
      if (cell === undefined) continue;
      const { model, slice, policy, seed } = cell.key;
      const id = JSON.stringify([model, slice, policy, seed]);
      const before = newest.get(id);
      if (before !== undefined && before.environment.started > cell.environment.started) continue;
      newest.set(id, cell);
    }
    return [...newest.values()];
  }

  /** A cell; undefined for a file that holds none, or is gone. */
  async #cell(store: CellStore, path: string, name: string): Promise<Cell | undefined> {
    const mtime = await Deno.stat(path).then((info) => info.mtime?.getTime() ?? 0, () => -1);
    const known = this.#cells.get(path);
    if (known?.mtime === mtime) return known.cell;
    const cell = await store.named(name).then(
      (whole) => ({ ...whole, examples: [] }),
      () => undefined,
    );
    this.#cells.set(path, { mtime, cell });
    return cell;
  }
}

async function failuresIn(
  path: string,
  names: readonly string[],
): Promise<ServedBoard["failures"]> {
  if (!names.includes("shards")) return [];
  const records = await readRecords(path).catch(() => []);
  return records.flatMap(({ outcomes }) =>
    outcomes.flatMap((outcome) =>
      outcome.kind === "failed"
        ? [{
          name: `${outcome.cell.benchmark} on ${outcome.cell.model}, ${outcome.cell.policy}`,
          reason: outcome.reason,
        }]
        : []
    )
  );
}

async function liveIn(path: string): Promise<LiveRun[]> {
  const runs: LiveRun[] = [];
  for (const file of namesIn(join(path, LIVE_FOLDER))) {
    if (!file.endsWith(".json")) continue;
    const place = join(path, LIVE_FOLDER, file);
    try {
      const record = liveRecord(JSON.parse(await Deno.readTextFile(place)));
      const written = (await Deno.stat(place)).mtime?.getTime() ?? 0;
      if (record !== undefined) {
        runs.push({ name: file.slice(0, -".json".length), record, written });
      }
    } catch (error) {
      // It has ended in between, or is another program's file.
      if (!(error instanceof Deno.errors.NotFound || error instanceof SyntaxError)) throw error;
    }
  }
  return runs;
}

function foldersBelow(folder: string, depth: number): string[] {
  if (depth === 0) return [folder];
  const inside = entriesIn(folder).filter(({ isDirectory, name }) =>
    isDirectory && !name.startsWith(".") &&
    !["cells", "shards", "queue", LIVE_FOLDER].includes(name)
  );
  return [
    folder,
    ...inside.flatMap(({ name }) => foldersBelow(join(folder, name), depth - 1)),
  ];
}

function namesIn(folder: string): string[] {
  return entriesIn(folder).map(({ name }) => name).sort();
}

function entriesIn(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}
