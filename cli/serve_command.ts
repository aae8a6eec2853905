/**
 * Serves the live page until it is told to end.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { tell } from "../report/terminal.ts";
import type { BoardSource } from "../serve/boards.ts";
import { FolderBoards } from "../serve/folder_boards.ts";
import { QueueBoards } from "../serve/queue_boards.ts";
import { serveBoards } from "../serve/server.ts";
import type { ServeCommandOptions } from "./serve_options.ts";

/** Runs the command. */
export async function serveLive(options: ServeCommandOptions): Promise<number> {
  const { folder, queue } = options;
  const isThere = await Deno.stat(folder).then((info) => info.isDirectory, () => false);
  // Who looks at a queue may have no folder yet.
  if (!isThere && queue === undefined) {
    throw new UserError(
      `There is no folder ${folder}; expected one with sweeps or leaderboards in it`,
    );
  }
  await using held = new AsyncDisposableStack();
  const sources: BoardSource[] = [];
  if (queue !== undefined) {
    const { QueueView } = await import("../sweep/queue/queue_view.ts");
    sources.push(new QueueBoards(held.use(await QueueView.open(queue))));
  }
  if (isThere) sources.push(new FolderBoards(folder));
  const what = queue === undefined ? folder : isThere ? `The queue, and ${folder},` : "The queue";
  const server = serveBoards({
    ...options,
    sources,
    listening: (address) => tell(`${what} is at ${address}`),
  });
  await server.finished;
  return 0;
}
