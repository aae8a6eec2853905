/**
 * What is in the database of a queue, for who looks on: read anew where somebody said that it has
 * changed, and each finished cell once. Nothing is written.
 *
 * @module
 */
import type { Cell } from "../../leaderboard/cell.ts";
import { cellText, isCell, type SweepCell } from "../definition.ts";
import type { LiveWorker } from "../live.ts";
import { BOSS_SCHEMA, QueueDatabase } from "./database.ts";
import { ResultsTable } from "./results_table.ts";
import { reasonOf, TRIES } from "./tries.ts";

/** What is there of a sweep. */
export interface QueueState {
  /** Without their examples. */
  readonly cells: readonly Cell[];
  readonly failures: readonly { readonly cell: SweepCell; readonly reason: string }[];
  /** Cells that are done with, and all. */
  readonly done: number;
  readonly total: number;
  readonly workers: readonly LiveWorker[];
}

/** What is told in silence, such as a worker that is gone, is looked for so often. */
const LOOK_AGAIN_MS = 10_000;

/** A worker without a sign of life for so long is not shown. */
const GONE_S = 600;

/** Of the workers that are shown. */
const IS_SHOWN = `beat > now() - make_interval(secs => ${GONE_S})`;

/** A finished cell, and when its row was written. */
interface KeptCell {
  readonly finished: string;
  readonly cell: Cell | undefined;
}

interface Kept {
  state: QueueState;
  /** By their text. */
  cells: Map<string, KeptCell>;
  read: number;
}

/** The sweeps of a queue's database. */
export class QueueView implements AsyncDisposable {
  readonly #kept = new Map<string, Kept>();
  readonly #changed = new Set<string>();
  #sweeps: { readonly names: readonly string[]; readonly read: number } | undefined;
  #running: ReadonlySet<string> = new Set();
  #unlisten: () => Promise<void> = async () => {};

  private constructor(private readonly database: QueueDatabase) {}

  /**
   * Opens a database to be looked at.
   *
   * @throws {UserError} when it cannot be reached, or holds no queue
   */
  static async open(url: string): Promise<QueueView> {
    const view = new QueueView(await QueueDatabase.openToRead(url));
    view.#unlisten = await view.database.listen((what) => view.#hear(what));
    return view;
  }

  /** What tells sweeps apart, those first that somebody was at last. */
  async sweeps(): Promise<readonly string[]> {
    if (this.#sweeps === undefined || Date.now() - this.#sweeps.read > LOOK_AGAIN_MS) {
      const rows = await this.database.glance(
        `SELECT sweep FROM (
           SELECT sweep, max(finished) AS last FROM kvreplay.results GROUP BY sweep
           UNION ALL
           SELECT split_part(name, '.', 2), max(created_on) FROM ${BOSS_SCHEMA}.job
           WHERE name LIKE 'cells.%' GROUP BY 1
         ) AS known GROUP BY sweep ORDER BY max(last) DESC`,
      );
      const names = rows?.map(({ sweep }) => String(sweep)) ?? this.#sweeps?.names ?? [];
      this.#sweeps = { names, read: Date.now() };
    }
    return this.#sweeps.names;
  }

  /** Those of them that have workers; while the server is away, those that had them last. */
  async running(): Promise<ReadonlySet<string>> {
    const rows = await this.database.glance(
      `SELECT DISTINCT sweep FROM kvreplay.workers WHERE ${IS_SHOWN}`,
    );
    if (rows !== undefined) this.#running = new Set(rows.map(({ sweep }) => String(sweep)));
    return this.#running;
  }

  /** What is there of a sweep; while the server is away, what was there last. */
  async state(sweep: string): Promise<QueueState> {
    const kept = this.#kept.get(sweep) ?? { state: NOTHING, cells: new Map(), read: 0 };
    this.#kept.set(sweep, kept);
    if (this.#changed.has(sweep) || Date.now() - kept.read > LOOK_AGAIN_MS) {
      this.#changed.delete(sweep);
      kept.read = Date.now();
      await this.#read(sweep, kept);
    }
    return kept.state;
  }

  async #read(sweep: string, kept: Kept): Promise<void> {
    const rows = await this.database.glance(
      `SELECT model, benchmark, policy, seed::text, kind, reason, file, finished::text
       FROM kvreplay.results WHERE sweep = $1`,
      [sweep],
    );
    const jobs = await this.database.glance(
      `SELECT data, state::text, output FROM ${BOSS_SCHEMA}.job
       WHERE name LIKE $1 AND (state < 'completed' OR state = 'failed')`,
      [`cells.${sweep}.%`],
    );
    const workers = await this.database.glance(
      `SELECT worker, place, done, cell, extract(epoch FROM since) * 1000 AS since,
         extract(epoch FROM now() - beat) AS silent
       FROM kvreplay.workers
       WHERE sweep = $1 AND ${IS_SHOWN}
       ORDER BY worker, place`,
      [sweep],
    );
    // It is away: the next that asks looks again.
    if (rows === undefined || jobs === undefined || workers === undefined) {
      kept.read = 0;
      return;
    }
    const known = new Map<string, KeptCell>();
    const failures: { cell: SweepCell; reason: string }[] = [];
    const table = new ResultsTable(this.database, sweep);
    for (const { model, benchmark, policy, seed, kind, reason, file, finished } of rows) {
      const cell = { model, benchmark, policy, seed: Number(seed) } as SweepCell;
      const name = cellText(cell);
      if (kind === "failed") failures.push({ cell, reason: String(reason) });
      if (kind !== "finished") {
        known.set(name, { finished: String(finished), cell: undefined });
        continue;
      }
      const before = kept.cells.get(name);
      known.set(
        name,
        before !== undefined && before.finished === finished ? before : {
          finished: String(finished),
          cell: await table.cell(cell, String(file)).then(
            (whole) => ({ ...whole, examples: [] }),
            () => undefined,
          ),
        },
      );
    }
    kept.cells = known;
    const open = jobs.filter(({ data }) => isCell(data) && !known.has(cellText(data as SweepCell)));
    for (const { data, state, output } of open) {
      if (state !== "failed") continue;
      const reason = `${reasonOf(output)} (${TRIES} tries)`;
      failures.push({ cell: data as SweepCell, reason });
    }
    kept.state = {
      cells: [...known.values()].flatMap(({ cell }) => cell ?? []),
      failures,
      done: known.size,
      total: known.size + open.length,
      workers: workers.map(({ worker, done, cell, since, silent }) => ({
        name: String(worker),
        done: Number(done),
        cell: isCell(cell) ? cell as SweepCell : null,
        since: Number(since),
        silentSeconds: Number(silent),
      })),
    };
  }

  /** @param what sweep that has changed, perhaps with a word behind it; nothing: any may have */
  #hear(what: string): void {
    const [sweep = ""] = what.split(" ");
    for (const name of sweep === "" ? this.#kept.keys() : [sweep]) this.#changed.add(name);
    if (this.#sweeps?.names.includes(sweep) === false) this.#sweeps = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unlisten().catch(() => {});
    await this.database[Symbol.asyncDispose]();
  }
}

const NOTHING: QueueState = { cells: [], failures: [], done: 0, total: 0, workers: [] };
