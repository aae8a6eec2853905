/**
 * The sweeps of a team's queue, as boards.
 *
 * @module
 */
import type { QueueView } from "../sweep/queue/queue_view.ts";
import { type BoardName, type BoardSource, failureName, type ServedBoard } from "./boards.ts";

/** Start of their names: what tells sweeps apart follows. */
const PREFIX = "queue ";

/** Boards of a queue's database. */
export class QueueBoards implements BoardSource {
  constructor(private readonly view: QueueView) {}

  async names(): Promise<readonly BoardName[]> {
    const [sweeps, running] = await Promise.all([this.view.sweeps(), this.view.running()]);
    return sweeps.map((sweep) => ({
      name: `${PREFIX}${sweep}`,
      isLive: running.has(sweep),
      report: false,
    }));
  }

  async board(name: string): Promise<ServedBoard | undefined> {
    const sweep = name.slice(PREFIX.length);
    if (!name.startsWith(PREFIX) || !(await this.view.sweeps()).includes(sweep)) return undefined;
    const { cells, failures, done, total, workers } = await this.view.state(sweep);
    const record = { done, total, workers };
    return {
      ...{ name, cells },
      failures: failures.map(({ cell, reason }) => ({ name: failureName(cell), reason })),
      live: workers.length === 0 && done === total
        ? []
        : [{ name: "queue", record, written: Date.now() }],
    };
  }

  report(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}
