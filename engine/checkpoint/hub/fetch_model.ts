/**
 * Brings a model of the hub into the cache.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../../errors.ts";
import { partNames } from "../gguf/part_names.ts";
import type { HubAccess } from "./access.ts";
import { cachedModel } from "./cached_model.ts";
import { HubClient, type Patience } from "./hub_client.ts";
import { modelFiles } from "./model_files.ts";
import { type HubName, hubNameText } from "./name.ts";
import { RepoDownload, type RepoEvents } from "./repo_download.ts";

/** How a model is fetched. */
export interface FetchOptions extends RepoEvents {
  readonly access: HubAccess;
  /** Folder with one folder for each repository. */
  readonly cacheFolder: string;
  readonly patience?: Patience;
}

/** A model that is in the cache. */
export interface FetchedModel {
  /** Its folder, or its GGUF file. */
  readonly path: string;
  /** The commit that its revision stands for. */
  readonly commit: string;
  /** Bytes that came from the hub. */
  readonly received: number;
}

/**
 * Brings what a model is loaded from, and nothing else. What is there already is checked.
 *
 * @throws {UserError} when the hub refuses, cannot be reached or has no such files; what came by then
 *   is kept for the next attempt
 */
export async function fetchModel(name: HubName, options: FetchOptions): Promise<FetchedModel> {
  const { access, cacheFolder, patience, notice } = options;
  if (access.offline) {
    const { path, commit } = await cachedModel(
      name,
      cacheFolder,
      "HF_HUB_OFFLINE is set: unset it",
    );
    return { path, commit, received: 0 };
  }
  const client = new HubClient({
    repo: name.repo,
    access,
    ...(patience === undefined ? {} : { patience }),
    ...(notice === undefined ? {} : { notice }),
  });
  const repo = await RepoDownload.open(client, cacheFolder, name.revision, options);
  const { listing: { commit, files: listed }, folder } = repo;
  let received = 0;
  const { files, missing } = await modelFiles(name, {
    has: (path) => listed.has(path),
    text: async (path) => {
      received += await repo.bring([path]);
      return await repo.text(path);
    },
  });
  if (missing.length > 0) {
    throw new UserError(
      `${hubNameText(name)} has no ${missing.join(", ")} at commit ${commit}${
        ggufAdvice([...listed.keys()])
      }`,
    );
  }
  received += await repo.bring(files);
  await repo.publish(name.revision);
  const path = name.file === undefined ? folder : join(folder, partNames(name.file)[0]!);
  return { path, commit, received };
}

/** Most names of files in a message. */
const MOST_NAMES = 8;

/** What to name instead, where there are GGUF files. */
function ggufAdvice(listed: readonly string[]): string {
  const gguf = listed.filter((path) => path.endsWith(".gguf"));
  if (gguf.length === 0) return ", which a model is loaded from";
  const some = gguf.slice(0, MOST_NAMES).join(", ");
  const more = gguf.length > MOST_NAMES ? `, and ${gguf.length - MOST_NAMES} more` : "";
  return `: name one of its GGUF files after a colon, of ${some}${more}`;
}
