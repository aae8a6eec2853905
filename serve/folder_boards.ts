/**
 * Sweeps and leaderboards below a folder: their cells, what is running, and their reports.
 *
 * @module
 */
import { join, relative } from "node:path";
import type { Cell } from "../leaderboard/cell.ts";
import { CellStore } from "../leaderboard/cell_store.ts";
import { LIVE_FOLDER, liveRecord } from "../sweep/live.ts";
import { readRecords } from "../sweep/record.ts";
import {
  type BoardName,
  type BoardSource,
  failureName,
  type LiveRun,
  type ServedBoard,
} from "./boards.ts";

/** Folders in folders, from the one that is served. */
const DEEPEST = 3;

/** A folder's cells, as they were when it last changed. */
interface KeptCells {
  readonly mtime: number;
  readonly cells: readonly Cell[];
}

/** Text of what was read from files, with what they looked like then. */
interface KeptFailures {
  readonly looks: string;
  readonly failures: ServedBoard["failures"];
}

/** A folder that has just changed may change again without looking so. */
const SETTLED_MS = 2000;

/** Boards below a folder. What has not changed is read once. */
export class FolderBoards implements BoardSource {
  readonly #cells = new Map<string, { readonly mtime: number; readonly cell: Cell | undefined }>();
  readonly #folders = new Map<string, KeptCells>();
  readonly #failures = new Map<string, KeptFailures>();

  constructor(private readonly folder: string) {}

  names(): Promise<readonly BoardName[]> {
    return Promise.resolve(
      this.#boards().map(({ name, path, inside }) => ({
        name,
        isLive: namesIn(join(path, LIVE_FOLDER)).some(isJson),
        report: inside.includes("report.html"),
      })),
    );
  }

  async board(name: string): Promise<ServedBoard | undefined> {
    // Only what was found is read: a name is no path.
    const found = this.#boards().find((board) => board.name === name);
    return found && {
      name,
      cells: await this.#cellsIn(found.path),
      failures: await this.#failuresIn(found.path),
      live: await liveIn(found.path),
    };
  }

  async report(name: string): Promise<string | undefined> {
    const found = this.#boards().find((board) => board.name === name);
    if (!found?.inside.includes("report.html")) return undefined;
    return await Deno.readTextFile(join(found.path, "report.html"));
  }

  #boards() {
    return foldersBelow(this.folder, DEEPEST).flatMap((path) => {
      const inside = namesIn(path);
      if (!inside.includes("cells") && !inside.includes(LIVE_FOLDER)) return [];
      return [{ name: relative(this.folder, path) || ".", path, inside }];
    });
  }

  async #cellsIn(path: string): Promise<readonly Cell[]> {
    const asked = Date.now();
    const mtime = await mtimeOf(`${path}/cells`);
    const kept = this.#folders.get(path);
    if (kept?.mtime === mtime) return kept.cells;
    const store = new CellStore(`${path}/cells`);
    const newest = new Map<string, Cell>();
    for (const name of namesIn(`${path}/cells`).filter(isJson)) {
      const cell = await this.#cell(store, `${path}/cells/${name}`, name);
      if (cell === undefined) continue;
      const { model, slice, policy, seed } = cell.key;
      const id = JSON.stringify([model, slice, policy, seed]);
      const before = newest.get(id);
      if (before !== undefined && before.environment.started > cell.environment.started) continue;
      newest.set(id, cell);
    }
    const cells = [...newest.values()];
    if (asked - mtime > SETTLED_MS) this.#folders.set(path, { mtime, cells });
    return cells;
  }

  /** A cell; undefined for a file that holds none, or is gone. */
  async #cell(store: CellStore, path: string, name: string): Promise<Cell | undefined> {
    const mtime = await mtimeOf(path);
    const known = this.#cells.get(path);
    if (known?.mtime === mtime) return known.cell;
    const cell = await store.named(name).then(
      (whole) => ({ ...whole, examples: [] }),
      () => undefined,
    );
    this.#cells.set(path, { mtime, cell });
    return cell;
  }

  async #failuresIn(path: string): Promise<ServedBoard["failures"]> {
    const looks = JSON.stringify(
      await Promise.all(
        namesIn(`${path}/shards`).map(async (name) => {
          const { size = 0, mtime } = await Deno.stat(`${path}/shards/${name}`)
            .catch((): Partial<Deno.FileInfo> => ({}));
          return [name, size, mtime];
        }),
      ),
    );
    const kept = this.#failures.get(path);
    if (kept?.looks === looks) return kept.failures;
    const failures = await failuresIn(path);
    this.#failures.set(path, { looks, failures });
    return failures;
  }
}

/** Milliseconds since 1970; -1 for what is not there. */
async function mtimeOf(path: string): Promise<number> {
  return await Deno.stat(path).then(({ mtime }) => mtime?.getTime() ?? 0, () => -1);
}

function isJson(name: string): boolean {
  return name.endsWith(".json");
}

async function failuresIn(path: string): Promise<ServedBoard["failures"]> {
  const records = await readRecords(path).catch(() => []);
  return records.flatMap(({ outcomes }) =>
    outcomes.flatMap((outcome) =>
      outcome.kind === "failed" ? [{ name: failureName(outcome.cell), reason: outcome.reason }] : []
    )
  );
}

async function liveIn(path: string): Promise<LiveRun[]> {
  const runs: LiveRun[] = [];
  for (const file of namesIn(join(path, LIVE_FOLDER)).filter(isJson)) {
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
