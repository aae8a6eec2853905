/**
 * Files of a data set of the hub: brought into the cache, and found there.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../../errors.ts";
import type { FetchOptions } from "./fetch_model.ts";
import { HubClient } from "./hub_client.ts";
import { DEFAULT_REVISION } from "./name.ts";
import { RepoCache } from "./repo_cache.ts";
import { RepoDownload } from "./repo_download.ts";

/** Files of a data set that are in the cache. */
export interface CachedDataset {
  /** The commit that its branch stands for. */
  readonly commit: string;
  /** Paths of the files, in the order asked for. */
  readonly paths: readonly string[];
}

/**
 * Brings files of a data set's main branch, and nothing else. What is there already is checked.
 *
 * @param name `OWNER/NAME`
 * @param files paths in it
 * @param asked what the user calls it, for messages
 * @returns the files, and bytes that came from the hub
 * @throws {UserError} when the hub refuses, cannot be reached or has no such files
 */
export async function fetchDataset(
  name: string,
  files: readonly string[],
  asked: string,
  options: FetchOptions,
): Promise<CachedDataset & { readonly received: number }> {
  const { access, cacheFolder, patience, notice } = options;
  if (access.offline) {
    const advice = "HF_HUB_OFFLINE is set: unset it";
    return { ...await cachedDataset(name, files, cacheFolder, advice), received: 0 };
  }
  const client = new HubClient({
    repo: { type: "dataset", name },
    access,
    asked,
    ...(patience === undefined ? {} : { patience }),
    ...(notice === undefined ? {} : { notice }),
  });
  const repo = await RepoDownload.open(client, cacheFolder, DEFAULT_REVISION, options);
  const { commit, files: listed } = repo.listing;
  const missing = files.filter((path) => !listed.has(path));
  if (missing.length > 0) {
    throw new UserError(`The dataset ${name} has no ${missing.join(", ")} at commit ${commit}`);
  }
  const received = await repo.bring(files);
  await repo.publish(DEFAULT_REVISION);
  return { commit, paths: files.map((path) => join(repo.folder, path)), received };
}

/**
 * Files of a data set, as they are in the cache; the network is never asked.
 *
 * @param name `OWNER/NAME`
 * @param files paths in it
 * @param advice what would bring them there, for the message
 * @throws {UserError} when one of them is not there
 */
export async function cachedDataset(
  name: string,
  files: readonly string[],
  cacheFolder: string,
  advice: string,
): Promise<CachedDataset> {
  const cache = new RepoCache(cacheFolder, { type: "dataset", name });
  const commit = await cache.commitOf(DEFAULT_REVISION);
  const missing: string[] = [];
  for (const path of files) {
    if (commit === undefined || !await cache.has(commit, path)) missing.push(path);
  }
  if (commit === undefined || missing.length > 0) {
    throw new UserError(
      `Of the dataset ${name} the hub's cache at ${cacheFolder} lacks ${
        missing.join(", ")
      }; ${advice}`,
    );
  }
  return { commit, paths: files.map((path) => join(cache.snapshot(commit), path)) };
}
