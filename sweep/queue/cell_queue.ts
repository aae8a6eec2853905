/**
 * A sweep's cells as jobs of pg-boss, one queue for each model and benchmark. A cell is some worker's
 * as long as that sends heartbeats; it is tried three times, and then parked with its reason. Names of
 * queues hold a hash of the program and the sweep, so that two versions never share one.
 *
 * @module
 */
import { sha256 } from "../../engine/digest.ts";
import { CellStore } from "../../leaderboard/cell_store.ts";
import type { CellSource } from "../crew.ts";
import {
  cellsOf,
  cellText,
  groupOf,
  type SweepCell,
  type SweepDefinition,
  sweepId,
} from "../definition.ts";
import type { Recorded, SweepProgram } from "../record.ts";
import { recordedOf, type WorkerAnswer } from "../worker.ts";
import { BOSS_SCHEMA, type QueueDatabase } from "./database.ts";
import { ResultsTable } from "./results_table.ts";
import { reasonOf, TRIES } from "./tries.ts";
import { WorkersTable } from "./workers_table.ts";

/** Not every change is told. */
const LOOK_AGAIN_MS = 2000;

/** pg-boss lets no job take longer, and keeps none for ever by itself. */
const LONGEST_S = 24 * 3600 - 1;
const KEPT_S = 365 * 24 * 3600;

/** What a queue is opened with. */
export interface QueueOptions {
  readonly sweep: SweepDefinition;
  /** Those of its cells that are shared. */
  readonly cells: readonly SweepCell[];
  readonly program: SweepProgram;
  /** Folder of cells of this machine. */
  readonly out: string;
  readonly heartbeat: number;
  /** Host and process, for who looks at the results. */
  readonly worker: string;
  /** Is told of each cell that this machine is done with. */
  readonly done?: (answer: WorkerAnswer) => void;
}

/** A cell that is tried no more. */
export interface ParkedCell {
  readonly cell: SweepCell;
  readonly reason: string;
}

/** How far a sweep is. */
export interface QueueStatus {
  /** What became of cells. */
  readonly results: readonly { readonly recorded: Recorded; readonly worker: string }[];
  readonly waiting: readonly SweepCell[];
  readonly running: readonly SweepCell[];
  readonly parked: readonly ParkedCell[];
}

/** One job that is this process's. */
interface Held {
  readonly queue: string;
  /** pg-boss counts tries; a settlement of another try than this does not count. */
  readonly attempt: { readonly id: string; readonly retryCount: number };
  /** Which worker of the process has it. */
  readonly worker: number;
}

/** A queue with cells that are not settled: how many wait in it, and how many are run. */
interface OpenQueue {
  readonly name: string;
  readonly waiting: number;
  readonly running: number;
}

/** The cells of a sweep in a database. */
export class CellQueue implements CellSource, AsyncDisposable {
  /** Queue of each model and benchmark. */
  readonly #queues: ReadonlyMap<string, string>;
  readonly #held = new Map<string, Held>();
  /** Queue that each worker of this process took its last cell from. */
  readonly #with = new Map<number, string>();
  readonly #workers: WorkersTable;
  readonly #heart: ReturnType<typeof setInterval>;
  #changed = Promise.withResolvers<void>();
  #unlisten: () => Promise<void> = async () => {};

  private constructor(
    private readonly database: QueueDatabase,
    private readonly options: QueueOptions,
    private readonly results: ResultsTable,
    private readonly key: string,
  ) {
    this.#workers = new WorkersTable(database, key, options.worker);
    this.#queues = new Map(
      [...new Set(cellsOf(options.sweep).map(groupOf))].map((
        group,
        i,
      ) => [group, `cells.${key}.${i}`]),
    );
    this.#heart = setInterval(() => this.#beat(), options.heartbeat * 1000 / 4);
  }

  /** Opens the queue of a sweep; nothing is put into it. */
  static async open(database: QueueDatabase, options: QueueOptions): Promise<CellQueue> {
    const key = await queueKey(options.sweep, options.program);
    const queue = new CellQueue(database, options, await ResultsTable.open(database, key), key);
    queue.#unlisten = await database.listen((what) => {
      if (what === key || what === "") queue.#wake();
    });
    return queue;
  }

  /** Puts in every cell that is not there yet and that nothing is known of. */
  async fill(): Promise<void> {
    const { boss } = this.database;
    const known = await this.results.all();
    for (const [group, name] of this.#queues) {
      await this.database.patiently(() =>
        boss.createQueue(name, {
          ...{ retryLimit: TRIES - 1, retryDelay: 0, heartbeatSeconds: this.options.heartbeat },
          ...{ expireInSeconds: LONGEST_S, retentionSeconds: KEPT_S, deleteAfterSeconds: KEPT_S },
        })
      );
      const cells = this.options.cells.filter((cell) =>
        groupOf(cell) === group && !known.has(cellText(cell))
      );
      const jobs = await Promise.all(cells.map(async (cell, i) => ({
        id: await jobId(name, cell),
        data: cell,
        priority: cells.length - i,
      })));
      if (jobs.length > 0) await this.database.patiently(() => boss.insert(name, jobs));
    }
  }

  async take(worker: number): Promise<SweepCell | undefined> {
    for (;;) {
      const changed = this.#changed.promise;
      const open = await this.#open();
      if (open.length === 0) return undefined;
      for (const name of this.#inOrder(worker, open)) {
        this.#with.set(worker, name);
        const [job] = await this.database.patiently(() =>
          this.database.boss.fetch<SweepCell>(name)
        );
        if (job === undefined) continue;
        const { id, data: cell } = job;
        const held = { queue: name, attempt: { id, retryCount: retryCountOf(job) }, worker };
        if (await this.results.has(cell)) {
          await this.#complete(held);
          continue;
        }
        this.#held.set(cellText(cell), held);
        await this.#workers.begin(worker, cell);
        // Who waits for a cell need not look again.
        await this.database.tell(`${this.key} begun`);
        return cell;
      }
      await this.#nextChange(changed);
    }
  }

  async finish(answer: WorkerAnswer): Promise<void> {
    const name = cellText(answer.cell);
    const { out, worker, done } = this.options;
    const cell = answer.kind === "finished"
      ? await new CellStore(`${out}/cells`).named(answer.file)
      : undefined;
    await this.results.put(recordedOf(answer), cell, worker);
    const held = this.#held.get(name)!;
    await this.#workers.end(held.worker);
    await this.#complete(held);
    this.#held.delete(name);
    done?.(answer);
  }

  async crash(cell: SweepCell, reason: string): Promise<void> {
    const { queue, attempt, worker } = this.#held.get(cellText(cell))!;
    await this.database.patiently(() => this.database.boss.fail(queue, attempt, { reason }));
    await this.#workers.end(worker);
    this.#held.delete(cellText(cell));
    await this.#tell();
    const parked = (await this.#jobs("state = 'failed' AND id = $2", [attempt.id]))[0];
    if (parked !== undefined) {
      this.options.done?.({ cell, kind: "failed", reason: parked.reason });
    }
  }

  /** How far the sweep is. */
  async status(): Promise<QueueStatus> {
    const results = await this.results.all();
    const open = (await this.#jobs("true")).filter(({ cell }) => !results.has(cellText(cell)));
    const of = (...states: string[]) =>
      open.filter(({ state }) => states.includes(state)).map(({ cell }) => cell);
    return {
      results: [...results.values()],
      waiting: of("created", "retry"),
      running: of("active"),
      parked: open.filter(({ state }) => state === "failed")
        .map(({ cell, reason }) => ({ cell, reason })),
    };
  }

  /**
   * Tells how far the sweep is whenever that changes, until all is there or parked.
   *
   * @param tell takes it
   */
  async watch(tell: (status: QueueStatus) => void): Promise<void> {
    for (let told = "";;) {
      const changed = this.#changed.promise;
      const status = await this.status();
      const text = JSON.stringify(status);
      if (text !== told) tell(status);
      told = text;
      // Nobody may have put its cells in yet.
      if (status.results.length + status.parked.length >= this.options.cells.length) return;
      await this.#nextChange(changed);
    }
  }

  /** What became of every cell, each finished one put into this machine's folder. */
  async bring(): Promise<Recorded[]> {
    const store = new CellStore(`${this.options.out}/cells`);
    const { results, parked } = await this.status();
    for (const { recorded } of results) {
      if (recorded.kind !== "finished") continue;
      const there = await store.named(recorded.file).then(() => true, () => false);
      if (!there) await store.save(await this.results.cell(recorded.cell, recorded.file));
    }
    const known = new Map<string, Recorded>([
      ...results.map(({ recorded }) => [cellText(recorded.cell), recorded] as const),
      ...parked.map(({ cell, reason }) =>
        [cellText(cell), { cell, kind: "failed", reason }] as const
      ),
    ]);
    return this.options.cells.flatMap((cell) => known.get(cellText(cell)) ?? []);
  }

  /**
   * Has cells that were parked or failed tried anew; the result is how many there were.
   *
   * @param alone whether nobody else can be at the queue: what is run there is a dead process's, and
   *   is tried anew, too
   */
  async retry(alone: boolean): Promise<number> {
    const { parked, results, running } = await this.status();
    const failed = results.map(({ recorded }) => recorded).filter(({ kind }) => kind === "failed");
    const again = [...[...parked, ...failed].map(({ cell }) => cell), ...alone ? running : []];
    for (const cell of again) {
      const name = this.#queues.get(groupOf(cell))!;
      const id = await jobId(name, cell);
      await this.results.remove(cell);
      await this.database.patiently(() => this.database.boss.deleteJob(name, id));
      await this.database.patiently(() => this.database.boss.insert(name, [{ id, data: cell }]));
    }
    await this.#tell();
    return again.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heart);
    await this.#unlisten().catch(() => {});
    await this.#workers.leave();
  }

  async #open(): Promise<OpenQueue[]> {
    const rows = await this.database.query(
      `SELECT name,
         count(*) FILTER (WHERE state < 'active')::int AS waiting,
         count(*) FILTER (WHERE state = 'active')::int AS running
       FROM ${BOSS_SCHEMA}.job WHERE name = ANY($1) AND state < 'completed' GROUP BY name`,
      [[...this.#queues.values()]],
    );
    return rows as unknown as OpenQueue[];
  }

  /** The queue of the last cell first, then those that nobody is at, those with most to do first. */
  #inOrder(
    worker: number,
    open: readonly OpenQueue[],
  ): string[] {
    const own = this.#with.get(worker);
    // Those beside this one may have said where they begin and not have begun.
    const beside = [...this.#with].filter(([other]) => other !== worker).map(([, name]) => name);
    const at = ({ name, running }: OpenQueue) => Math.max(running, Number(beside.includes(name)));
    return open.filter(({ waiting }) => waiting > 0)
      .sort((a, b) =>
        Number(b.name === own) - Number(a.name === own) || at(a) - at(b) || b.waiting - a.waiting
      )
      .map(({ name }) => name);
  }

  async #jobs(
    where: string,
    values: readonly unknown[] = [],
  ): Promise<{ readonly cell: SweepCell; readonly state: string; readonly reason: string }[]> {
    const rows = await this.database.query(
      `SELECT data, state::text, output FROM ${BOSS_SCHEMA}.job WHERE name = ANY($1) AND ${where}
       ORDER BY name, priority DESC`,
      [[...this.#queues.values()], ...values],
    );
    return rows.map(({ data, state, output }) => ({
      cell: data as SweepCell,
      state: state as string,
      reason: `${reasonOf(output)} (${TRIES} tries)`,
    }));
  }

  async #complete({ queue, attempt }: Held): Promise<void> {
    await this.database.patiently(() => this.database.boss.complete(queue, attempt));
    await this.#tell();
  }

  async #tell(): Promise<void> {
    await this.database.tell(this.key);
  }

  /** Waits for a change, and not for ever: a cell is begun, and comes back, in silence. */
  async #nextChange(changed: Promise<void>): Promise<void> {
    const again = Promise.withResolvers<void>();
    const timer = setTimeout(again.resolve, LOOK_AGAIN_MS);
    await Promise.race([changed, again.promise]);
    clearTimeout(timer);
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** A server that is away hears none; a cell that another took meanwhile counts once all the same. */
  #beat(): void {
    for (const { queue, attempt } of this.#held.values()) {
      this.database.boss.touch(queue, attempt).catch(() => {});
    }
    if (this.#held.size > 0) this.#workers.beat();
  }
}

/** What tells a sweep, run by one program, from others: 16 hexadecimal digits. */
export async function queueKey(sweep: SweepDefinition, program: SweepProgram): Promise<string> {
  const { version, sources } = program;
  const parts = [await sweepId(sweep), version, Object.entries(sources).sort()];
  return (await sha256(JSON.stringify(parts))).slice(0, 16);
}

/** The same cell of the same queue has the same id, so that it is put in once. */
async function jobId(queue: string, cell: SweepCell): Promise<string> {
  const digits = await sha256(JSON.stringify([queue, cellText(cell)]));
  return digits.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function retryCountOf(job: object): number {
  return (job as { retryCount: number }).retryCount;
}
