/**
 * What a repository of the hub has at a revision.
 *
 * @module
 */
import { datasetInfo, listFiles, modelInfo } from "@huggingface/hub";
import { UserError } from "../../../errors.ts";
import { isBlobHex } from "./blob_hash.ts";
import type { HubClient } from "./hub_client.ts";
import { isCommit, isRepoPath } from "./name.ts";
import type { RepoFile } from "./repo_cache.ts";

/** The files of one commit. */
export interface Listing {
  /** The commit that the revision stands for, 40 digits. */
  readonly commit: string;
  /** Every file by its path; those with paths that no file here may have are left out. */
  readonly files: ReadonlyMap<string, RepoFile>;
}

/**
 * Asks the hub for the files of a revision.
 *
 * @throws {UserError} when the hub refuses or its answer cannot be used
 */
export async function listRepo(client: HubClient, revision: string): Promise<Listing> {
  try {
    return await list(client, revision);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${client.access.endpoint} does not answer as a hub does: ${(error as Error).message}`,
    );
  }
}

async function list(client: HubClient, revision: string): Promise<Listing> {
  const { repo, access: { endpoint: hubUrl }, fetch } = client;
  const { name } = repo;
  const asked = { name, revision, hubUrl, fetch, additionalFields: ["sha" as const] };
  const commit = isCommit(revision)
    ? revision
    : String((repo.type === "model" ? await modelInfo(asked) : await datasetInfo(asked)).sha);
  if (!isCommit(commit)) {
    throw new UserError(
      `${hubUrl} says that ${name} is at commit ${
        JSON.stringify(commit)
      }; a hub would give 40 digits`,
    );
  }
  const files = new Map<string, RepoFile>();
  for await (const entry of listFiles({ repo, revision: commit, recursive: true, hubUrl, fetch })) {
    if (entry.type !== "file" || !isRepoPath(entry.path)) continue;
    const { path, lfs, oid = "" } = entry;
    const blob = lfs === undefined
      ? { algorithm: "git-sha1" as const, hex: oid }
      : { algorithm: "sha256" as const, hex: lfs.oid };
    const size = lfs?.size ?? entry.size;
    // The hash becomes the name of a file.
    if (!isBlobHex(blob) || !Number.isSafeInteger(size) || size < 0) {
      throw new UserError(
        `${hubUrl} lists ${path} of ${name} with the hash ${
          JSON.stringify(blob.hex)
        } and the size ${size}; a hub would give both`,
      );
    }
    files.set(path, { path, size, blob });
  }
  return { commit, files };
}
