/**
 * Lists, verifies and clears what earlier runs kept on disk.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import {
  type CacheRow,
  cacheRows,
  clearCache,
  verifyCache,
} from "../evaluation/cache/cache_contents.ts";
import prettyBytes from "pretty-bytes";
import { cacheTable } from "../report/cache_table.ts";
import { StatusLine } from "../report/status_line.ts";
import { quoted } from "../sandbox/sandbox_error.ts";
import { print, tell } from "../report/terminal.ts";
import type { CacheCommandOptions } from "./cache_options.ts";
import { cachePlace } from "./cache_place.ts";
import { EXIT } from "./failure.ts";
import { terminalColumns } from "./surroundings.ts";

/** Runs the command; the exit code is 1 when something was damaged or cannot be removed, else 0. */
export async function manageCache({ action, model }: CacheCommandOptions): Promise<number> {
  const place = cachePlace();
  if (place === undefined) {
    // deno-lint-ignore error-law/value -- nothing is set
    throw new UserError("There is no cache: set KVREPLAY_CACHE to its folder, or HOME");
  }
  await checkFolder(place);
  if (action === "verify") return await verify(place);
  if (action === "clear") return await clear(place, model);
  const rows = await cacheRows(place);
  print(place);
  print(rows.length === 0 ? "Nothing is kept" : cacheTable(rows.map(shown)));
  return 0;
}

async function checkFolder(place: string): Promise<void> {
  const info = await Deno.stat(place).catch(() => undefined);
  if (info === undefined || info.isDirectory) return;
  throw new UserError(`There is no cache at ${place}: it is a file; expected a folder`);
}

/** Names come from files: a terminal must not obey them. */
function shown(row: CacheRow): CacheRow {
  return {
    ...row,
    ...(row.model === undefined ? {} : { model: quoted(row.model) }),
    ...(row.device === undefined ? {} : { device: quoted(row.device) }),
  };
}

async function verify(place: string): Promise<number> {
  const status = new StatusLine({ bar: Deno.stderr.isTerminal(), ...terminalColumns() });
  const { sound, damaged, stuck } = await verifyCache(
    place,
    (done, total) => status.progress(done, total, "entries"),
  ).finally(() => status.stop());
  for (const sentence of [...damaged, ...stuck]) tell(quoted(sentence));
  const removed = damaged.length - stuck.length;
  print(
    `${sound} of ${sound + damaged.length} entries are what was written` +
      (removed === 0 ? "" : `; ${removed} are removed, and will be made anew`),
  );
  return damaged.length === 0 ? 0 : EXIT.failed;
}

async function clear(place: string, model: string | undefined): Promise<number> {
  const { entries, bytes, stuck } = await clearCache(place, model);
  for (const sentence of stuck) tell(quoted(sentence));
  if (entries + stuck.length === 0 && model !== undefined) {
    const names = new Set((await cacheRows(place)).map((row) => quoted(row.model ?? "(damaged)")));
    throw new UserError(
      `Nothing is kept of a model ${JSON.stringify(model)}; ${
        names.size === 0 ? "the cache is empty" : `there is ${[...names].join(", ")}`
      }`,
    );
  }
  print(`${entries} entries of ${prettyBytes(bytes, { binary: true })} are removed`);
  return stuck.length === 0 ? 0 : EXIT.failed;
}
