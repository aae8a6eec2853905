/**
 * Brings a model of the hub into the hub's cache.
 *
 * @module
 */
import prettyBytes from "pretty-bytes";
import { hubAccess } from "../engine/checkpoint/hub/access.ts";
import { hubCacheFolder } from "../engine/checkpoint/hub/cache_folder.ts";
import { fetchModel } from "../engine/checkpoint/hub/fetch_model.ts";
import { hubNameText } from "../engine/checkpoint/hub/name.ts";
import type { DownloadProgress } from "../engine/checkpoint/hub/repo_download.ts";
import { StatusLine } from "../report/status_line.ts";
import { Transfer } from "../report/transfer.ts";
import { print } from "../report/terminal.ts";
import type { FetchOptions } from "./fetch_options.ts";
import { terminalColumns } from "./surroundings.ts";

/** Milliseconds between two lines of progress where there is no bar. */
const LINE_MS = 10_000;

/** Runs the command; what it prints is where the model is now. The exit code is 0. */
export async function fetchFromHub({ model, quiet }: FetchOptions): Promise<number> {
  const transfer = new Transfer();
  const bar = !quiet && Deno.stderr.isTerminal();
  const status = new StatusLine({ bar, count: () => transfer.text(), ...terminalColumns() });
  const inform = (sentence: string) => {
    if (!quiet) status.notice(sentence);
  };
  let lineAt = performance.now() + LINE_MS;
  const progress = (at: DownloadProgress) => {
    transfer.add(at);
    status.progress(at.done, at.total, at.path);
    if (bar || performance.now() < lineAt) return;
    lineAt = performance.now() + LINE_MS;
    inform(`${at.path}: ${transfer.text()}`);
  };
  const started = performance.now();
  try {
    const { path, commit, received } = await fetchModel(model, {
      access: await hubAccess(),
      cacheFolder: hubCacheFolder(),
      progress,
      notice: inform,
    });
    await status.stop();
    const seconds = (performance.now() - started) / 1000;
    const how = received === 0
      ? "was in the hub's cache"
      : `is in the hub's cache after ${prettyBytes(received)} in ${seconds.toFixed(1)} s`;
    inform(`${hubNameText(model)} at commit ${commit} ${how}`);
    print(path);
    return 0;
  } finally {
    await status.stop();
  }
}
