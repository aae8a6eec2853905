/**
 * What the workers of a queue are doing, in the database beside it, for who looks on: one row for each
 * place of a process.
 *
 * @module
 */
import type { SweepCell } from "../definition.ts";
import type { QueueDatabase } from "./database.ts";

/** Statement that makes the table. */
export const WORKERS_SCHEMA = `
CREATE TABLE IF NOT EXISTS kvreplay.workers (
  sweep text NOT NULL,
  worker text NOT NULL,
  place int NOT NULL,
  done int NOT NULL,
  cell jsonb,
  since timestamptz NOT NULL DEFAULT now(),
  beat timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sweep, worker, place)
);`;

/** The rows of one process. */
export class WorkersTable {
  constructor(
    private readonly database: QueueDatabase,
    private readonly sweep: string,
    private readonly worker: string,
  ) {}

  /** A place begins a cell. */
  async begin(place: number, cell: SweepCell): Promise<void> {
    await this.database.query(
      `INSERT INTO kvreplay.workers (sweep, worker, place, done, cell)
       VALUES ($1, $2, $3, 0, $4)
       ON CONFLICT (sweep, worker, place) DO UPDATE SET cell = $4, since = now(), beat = now()`,
      [this.sweep, this.worker, place, JSON.stringify(cell)],
    );
  }

  /** A place is done with its cell. */
  async end(place: number): Promise<void> {
    await this.database.query(
      `UPDATE kvreplay.workers SET cell = NULL, done = done + 1, since = now(), beat = now()
       WHERE sweep = $1 AND worker = $2 AND place = $3`,
      [this.sweep, this.worker, place],
    );
  }

  /** The process is there; a server that is away hears nothing. */
  beat(): void {
    this.#once(`UPDATE kvreplay.workers SET beat = now() WHERE sweep = $1 AND worker = $2`)
      .catch(() => {});
  }

  /** The process is done. */
  async leave(): Promise<void> {
    await this.#once(`DELETE FROM kvreplay.workers WHERE sweep = $1 AND worker = $2`)
      .catch(() => {});
  }

  async #once(statement: string): Promise<void> {
    await this.database.boss.getDb().executeSql(statement, [this.sweep, this.worker]);
  }
}
