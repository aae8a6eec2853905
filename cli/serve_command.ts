/**
 * Serves the live page until it is told to end.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { tell } from "../report/terminal.ts";
import { serveFolder } from "../serve/server.ts";
import type { ServeCommandOptions } from "./serve_options.ts";

/** Runs the command. */
export async function serveLive(options: ServeCommandOptions): Promise<number> {
  const info = await Deno.stat(options.folder).catch(() => undefined);
  if (!info?.isDirectory) {
    throw new UserError(
      `There is no folder ${options.folder}; expected one with sweeps or leaderboards in it`,
    );
  }
  const server = serveFolder({
    ...options,
    listening: (address) => tell(`${options.folder} is at ${address}`),
  });
  await server.finished;
  return 0;
}
