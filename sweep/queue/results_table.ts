/**
 * What became of cells, in the database beside the queue: one row a cell, the cell itself, with all of
 * its steps, as compressed JSON.
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import type { Cell } from "../../leaderboard/cell.ts";
import { readCell, writeCell } from "../../leaderboard/cell_file.ts";
import { cellText, type SweepCell } from "../definition.ts";
import type { Recorded } from "../record.ts";
import type { QueueDatabase } from "./database.ts";
import { WORKERS_SCHEMA } from "./workers_table.ts";

/** Two processes that both make the tables wait for each other. */
const LOCK = 20_261_128;

const SCHEMA = `
BEGIN;
SELECT pg_advisory_xact_lock(${LOCK});
CREATE SCHEMA IF NOT EXISTS kvreplay;
CREATE TABLE IF NOT EXISTS kvreplay.results (
  sweep text NOT NULL,
  model text NOT NULL,
  benchmark text NOT NULL,
  policy text NOT NULL,
  seed bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('finished', 'failed', 'not applicable')),
  reason text,
  file text,
  numbers jsonb,
  cell bytea,
  worker text NOT NULL,
  finished timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sweep, model, benchmark, policy, seed)
);
${WORKERS_SCHEMA}
COMMIT;`;

/** A row of the table. */
export interface ResultRow {
  readonly recorded: Recorded;
  /** Host and process that it came from. */
  readonly worker: string;
}

/** The rows of one sweep. */
export class ResultsTable {
  /** @param sweep what tells this sweep, run by this program, from others; the table is there */
  constructor(
    private readonly database: QueueDatabase,
    private readonly sweep: string,
  ) {}

  /**
   * Opens the table, and makes it where there is none.
   *
   * @param sweep what tells this sweep, run by this program, from others
   */
  static async open(database: QueueDatabase, sweep: string): Promise<ResultsTable> {
    await database.query(SCHEMA);
    return new ResultsTable(database, sweep);
  }

  /** Puts in what became of a cell, unless that is there: a cell counts once. */
  async put(recorded: Recorded, cell: Cell | undefined, worker: string): Promise<void> {
    const { model, benchmark, policy, seed } = recorded.cell;
    const finished = recorded.kind === "finished";
    const text = cell === undefined ? undefined : await writeCell(cell);
    await this.database.query(
      `INSERT INTO kvreplay.results
         (sweep, model, benchmark, policy, seed, kind, reason, file, numbers, cell, worker)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, decode($10, 'base64'), $11)
       ON CONFLICT DO NOTHING`,
      [
        ...[this.sweep, model, benchmark, policy, seed, recorded.kind],
        finished ? null : recorded.reason,
        finished ? recorded.file : null,
        cell === undefined ? null : JSON.stringify(cell.numbers),
        text === undefined ? null : (await gzip(text)).toBase64(),
        worker,
      ],
    );
  }

  /** Whether something is known of a cell. */
  async has(cell: SweepCell): Promise<boolean> {
    const rows = await this.database.query(
      `SELECT 1 FROM kvreplay.results
       WHERE sweep = $1 AND model = $2 AND benchmark = $3 AND policy = $4 AND seed = $5`,
      [this.sweep, cell.model, cell.benchmark, cell.policy, cell.seed],
    );
    return rows.length > 0;
  }

  /** Forgets what became of a cell. */
  async remove({ model, benchmark, policy, seed }: SweepCell): Promise<void> {
    await this.database.query(
      `DELETE FROM kvreplay.results
       WHERE sweep = $1 AND model = $2 AND benchmark = $3 AND policy = $4 AND seed = $5`,
      [this.sweep, model, benchmark, policy, seed],
    );
  }

  /** All rows, without the cells themselves, by the text of the cell. */
  async all(): Promise<Map<string, ResultRow>> {
    const rows = await this.database.query(
      `SELECT model, benchmark, policy, seed::text, kind, reason, file, worker
       FROM kvreplay.results WHERE sweep = $1`,
      [this.sweep],
    );
    return new Map(rows.map((row) => {
      const { model, benchmark, policy, seed, kind, reason, file, worker } = row;
      const cell = { model, benchmark, policy, seed: Number(seed) } as SweepCell;
      const recorded = kind === "finished" ? { cell, kind, file } : { cell, kind, reason };
      return [cellText(cell), { recorded: recorded as Recorded, worker: worker as string }];
    }));
  }

  /**
   * A finished cell.
   *
   * @throws {UserError} when the row is not what was written
   */
  async cell({ model, benchmark, policy, seed }: SweepCell, file: string): Promise<Cell> {
    const [row] = await this.database.query(
      `SELECT encode(cell, 'base64') AS cell FROM kvreplay.results
       WHERE sweep = $1 AND model = $2 AND benchmark = $3 AND policy = $4 AND seed = $5`,
      [this.sweep, model, benchmark, policy, seed],
    );
    if (typeof row?.cell !== "string") {
      throw new UserError(`The queue's row of cell ${file} holds none; expected a finished cell`);
    }
    return await readCell(await gunzip(row.cell, file), file);
  }
}

/** Bytes of a cell's text at most, as those of its file. */
const MOST_BYTES = 256 * 2 ** 20;

async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function gunzip(base64: string, file: string): Promise<string> {
  const stream = new Blob([Uint8Array.fromBase64(base64)]).stream().pipeThrough(
    new DecompressionStream("gzip"),
  );
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const part of stream) {
      text += decoder.decode(part, { stream: true });
      if (text.length <= MOST_BYTES) continue;
      throw new UserError(
        `The queue's row of cell ${file} has more than ${MOST_BYTES} bytes; a cell has fewer`,
      );
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UserError(`The queue's row of cell ${file} cannot be read: ${error.message}`);
  }
  return text;
}
