/**
 * Downloads the contents of one file: once for all processes, from where an earlier attempt was cut,
 * and under its own name only when they are what the hub's listing says.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { UserError } from "../../../errors.ts";
import type { HubClient } from "./hub_client.ts";
import { removeIfPresent, type RepoCache, type RepoFile, sizeOf } from "./repo_cache.ts";
import { TransientError } from "./retry.ts";
import { UnfinishedFile } from "./unfinished_file.ts";

/** What is told while contents come. */
export interface DownloadEvents {
  /** `at` bytes of the file are there, `received` of them since the last call. */
  progress?(at: number, received: number): void;
  /** Takes a sentence for the user. */
  notice?(sentence: string): void;
}

/** Milliseconds between two looks at a lock that another process has. */
const LOCK_MS = 200;

/**
 * Brings the contents of a file into the cache.
 *
 * @returns false when another process brought them meanwhile
 * @throws {UserError} when they do not come, or are not what the listing says
 */
export async function downloadBlob(
  client: HubClient,
  cache: RepoCache,
  commit: string,
  file: RepoFile,
  events: DownloadEvents,
): Promise<boolean> {
  const blob = cache.blob(file);
  const unfinished = cache.unfinished(file);
  await Deno.mkdir(dirname(blob), { recursive: true });
  using _lock = await lock(cache.lock(file), () => {
    events.notice?.(`Another process is downloading ${file.path}; waiting for it`);
  });
  // Where links cannot be made, contents end in the commit's folder.
  for (const path of [blob, join(cache.snapshot(commit), file.path)]) {
    if (await sizeOf(path) === file.size) return false;
  }
  const url = resolveUrl(client, commit, file.path);
  let first = await bring(client, url, file, unfinished, events);
  if (first !== undefined && !first.ofOneAnswer) {
    events.notice?.(`The parts of ${file.path} do not fit together; downloading it anew`);
    first = await bring(client, url, file, unfinished, events);
  }
  if (first !== undefined) {
    throw new UserError(
      `What came as ${file.path} of ${client.repo.name} is not what the hub lists: ${first.wrong}; nothing of it is kept`,
    );
  }
  await Deno.rename(unfinished, blob);
  return true;
}

/** Holds a lock file's lock as huggingface_hub does, by flock(2). */
async function lock(path: string, wait: () => void): Promise<Disposable> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const file = await Deno.open(path, { read: true, write: true, create: true });
  try {
    for (let told = false; !await file.tryLock(true); told = true) {
      if (!told) wait();
      await new Promise((resolve) => setTimeout(resolve, LOCK_MS));
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

/** The address of a file's contents. */
function resolveUrl({ address }: HubClient, commit: string, path: string): string {
  return `${address}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** Fills the unfinished file from where it ends; the result is what is wrong with it, if anything. */
async function bring(
  client: HubClient,
  url: string,
  file: RepoFile,
  path: string,
  { progress }: DownloadEvents,
): Promise<{ readonly wrong: string; readonly ofOneAnswer: boolean } | undefined> {
  using unfinished = await UnfinishedFile.open(path, file);
  progress?.(unfinished.at, 0);
  const retry = client.retry();
  const ask = async () => {
    if (unfinished.at === file.size) return;
    const { range } = unfinished;
    const answer = await client.request(url, new Headers(range === undefined ? {} : { range }));
    await unfinished.accept(answer);
    for await (const bytes of client.body(answer)) {
      if (!await unfinished.add(bytes)) return;
      retry.progressed();
      progress?.(unfinished.at, bytes.length);
    }
    if (unfinished.at < file.size) {
      throw new TransientError(`${file.path} was cut after ${unfinished.at} of ${file.size} bytes`);
    }
  };
  try {
    await retry.run(ask);
  } catch (error) {
    if (unfinished.at === 0) await removeIfPresent(path);
    throw error;
  }
  const wrong = await unfinished.finish();
  return wrong === undefined ? undefined : { wrong, ofOneAnswer: unfinished.ofOneAnswer };
}
