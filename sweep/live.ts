/**
 * What a sweep is doing right now, for who looks on: a small file beside its cells that is there as
 * long as it runs.
 *
 * @module
 */
import { openOutputFolder } from "../report/output_folder.ts";
import { isCell, type SweepCell } from "./definition.ts";

/** Folder of such files, beside `cells`. */
export const LIVE_FOLDER = "live";

/** What one worker is doing. */
export interface LiveWorker {
  /** Host and process, where it is one of a queue; absent for a number. */
  readonly name?: string;
  /** Without a sign of life for so long, where it gives any. */
  readonly silentSeconds?: number;
  /** Cells that it is done with. */
  readonly done: number;
  /** The cell that it runs; null between two. */
  readonly cell: SweepCell | null;
  /** When it began that, in milliseconds since 1970. */
  readonly since: number;
}

/** What a running sweep writes. */
export interface LiveRecord {
  readonly done: number;
  readonly total: number;
  readonly workers: readonly LiveWorker[];
}

/** The file of one run. */
export class LiveFile implements Disposable {
  readonly #path: string;
  readonly #workers: LiveWorker[];
  #done = 0;

  /**
   * @param out folder of the sweep
   * @param name of the run, among those that share the folder
   * @param total cells that it is to run
   */
  constructor(
    out: string,
    name: string,
    workers: number,
    private readonly total: number,
  ) {
    this.#workers = Array.from({ length: workers }, () => ({ done: 0, cell: null, since: 0 }));
    openOutputFolder(`${out}/${LIVE_FOLDER}`);
    this.#path = `${out}/${LIVE_FOLDER}/${name}.json`;
    this.#write();
  }

  /** A worker begins a cell; undefined: it is done with one. */
  busy(worker: number, cell: SweepCell | undefined): void {
    const { done } = this.#workers[worker]!;
    this.#workers[worker] = {
      done: cell === undefined ? done + 1 : done,
      cell: cell ?? null,
      since: Date.now(),
    };
    this.#write();
  }

  /** So many cells are there. */
  progress(done: number): void {
    this.#done = done;
    this.#write();
  }

  #write(): void {
    const record: LiveRecord = { done: this.#done, total: this.total, workers: this.#workers };
    // Whole for who reads it, and not worth waiting for a disk, or ending a sweep.
    try {
      Deno.writeTextFileSync(`${this.#path}.tmp`, JSON.stringify(record));
      Deno.renameSync(`${this.#path}.tmp`, this.#path);
    } catch {
      // What is shown is older, then.
    }
  }

  [Symbol.dispose](): void {
    for (const path of [this.#path, `${this.#path}.tmp`]) {
      try {
        Deno.removeSync(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
}

/** A record as it was read; undefined for what is none. */
export function liveRecord(value: unknown): LiveRecord | undefined {
  const { done, total, workers } = (value ?? {}) as Partial<LiveRecord>;
  if (!isCount(done) || !isCount(total) || !Array.isArray(workers)) return undefined;
  const sound = workers.every((worker) =>
    isCount(worker?.done) && isCount(worker.since) && (worker.cell === null || isCell(worker.cell))
  );
  return sound ? { done: done!, total: total!, workers } : undefined;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
