/**
 * Brings models and benchmarks of the hub into the hub's cache.
 *
 * @module
 */
import type { SuiteName } from "../benchmarks/suites.ts";
import { fetchBenchmark } from "../evaluation/benchmarks/fetch_benchmark.ts";
import prettyBytes from "pretty-bytes";
import { hubAccess } from "../engine/checkpoint/hub/access.ts";
import { hubCacheFolder } from "../engine/checkpoint/hub/cache_folder.ts";
import { fetchModel } from "../engine/checkpoint/hub/fetch_model.ts";
import { type HubName, hubNameText } from "../engine/checkpoint/hub/name.ts";
import type { DownloadProgress } from "../engine/checkpoint/hub/repo_download.ts";
import { StatusLine } from "../report/status_line.ts";
import { Transfer } from "../report/transfer.ts";
import { print } from "../report/terminal.ts";
import type { FetchOptions } from "./fetch_options.ts";
import { terminalColumns } from "./surroundings.ts";

/** Milliseconds between two lines of progress where there is no bar. */
const LINE_MS = 10_000;

/** Runs the command; what it prints is where everything is now. The exit code is 0. */
export async function fetchFromHub({ wanted, quiet }: FetchOptions): Promise<number> {
  for (const each of wanted) await fetchOne(each, quiet);
  return 0;
}

async function fetchOne(wanted: FetchOptions["wanted"][number], quiet: boolean): Promise<void> {
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
    const access = await hubAccess();
    const options = { access, cacheFolder: hubCacheFolder(), progress, notice: inform };
    const { paths, name, commit, received } = typeof wanted === "string"
      ? await broughtBenchmark(wanted, options)
      : await broughtModel(wanted, options);
    await status.stop();
    const seconds = (performance.now() - started) / 1000;
    const how = received === 0
      ? "was in the hub's cache"
      : `is in the hub's cache after ${prettyBytes(received)} in ${seconds.toFixed(1)} s`;
    inform(`${name} at commit ${commit} ${how}`);
    for (const path of paths) print(path);
  } finally {
    await status.stop();
  }
}

/** What is in the cache now. */
interface Brought {
  readonly name: string;
  readonly paths: readonly string[];
  readonly commit: string;
  readonly received: number;
}

async function broughtModel(
  model: HubName,
  options: Parameters<typeof fetchModel>[1],
): Promise<Brought> {
  const { path, ...came } = await fetchModel(model, options);
  return { name: hubNameText(model), paths: [path], ...came };
}

async function broughtBenchmark(
  name: SuiteName,
  options: Parameters<typeof fetchModel>[1],
): Promise<Brought> {
  const { repo, ...came } = await fetchBenchmark(name, options);
  return { name: `${name}, the dataset ${repo},`, ...came };
}
