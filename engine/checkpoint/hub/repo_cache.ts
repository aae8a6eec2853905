/**
 * One repository in the cache, as huggingface_hub lays it out (`file_download.py`,
 * `hf_hub_download`):
 *
 * ```
 * models--OWNER--NAME/
 *   blobs/HASH             contents, under the name the hub has for them
 *   refs/REVISION          the commit that a branch or a tag pointed to
 *   snapshots/COMMIT/PATH  a relative link to the contents
 * .locks/models--OWNER--NAME/HASH.lock
 * ```
 *
 * Where links cannot be made, the snapshot holds the contents themselves.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { writeTogether } from "../../../files/write_together.ts";
import type { BlobId } from "./blob_hash.ts";
import { type HubRepo, isCommit } from "./name.ts";

/** A file of a commit. */
export interface RepoFile {
  /** Path in the repository, with `/`. */
  readonly path: string;
  /** Length in bytes. */
  readonly size: number;
  readonly blob: BlobId;
}

/** A repository's folder in the cache. */
export class RepoCache {
  /** Folder of the repository. */
  readonly folder: string;
  readonly #locks: string;

  constructor(cacheFolder: string, repo: HubRepo) {
    const name = `${repo.type}s--${repo.name.replace("/", "--")}`;
    this.folder = join(cacheFolder, name);
    this.#locks = join(cacheFolder, ".locks", name);
  }

  /** Where the contents of a file lie, or would. */
  blob({ blob: { hex } }: RepoFile): string {
    return join(this.folder, "blobs", hex);
  }

  /** Where contents lie as long as they are not complete. huggingface_hub uses other names. */
  unfinished(file: RepoFile): string {
    return `${this.blob(file)}.kvreplay.incomplete`;
  }

  /** The file whose lock says that somebody is downloading these contents. */
  lock({ blob: { hex } }: RepoFile): string {
    return join(this.#locks, `${hex}.lock`);
  }

  /** Folder of a commit's files. */
  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** The commit that a revision stood for when it was last asked for; undefined if it never was. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await textOf(join(this.folder, "refs", revision));
    return text !== undefined && isCommit(text.trim()) ? text.trim() : undefined;
  }

  /** Notes which commit a revision stands for. */
  async setCommit(revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || await this.commitOf(revision) === commit) return;
    const path = join(this.folder, "refs", revision);
    await Deno.mkdir(dirname(path), { recursive: true });
    writeTogether(dirname(path), { [basename(path)]: commit });
  }

  /** Whether a commit's folder holds a file. */
  async has(commit: string, path: string): Promise<boolean> {
    return await sizeOf(join(this.snapshot(commit), path)) !== undefined;
  }

  /**
   * Files that the commit has by the listing that huggingface_hub may have left
   * (`_tree_cache.py`); undefined when there is none.
   */
  async listed(commit: string): Promise<readonly string[] | undefined> {
    const text = await textOf(join(this.folder, "trees", `${commit}.json`));
    if (text === undefined) return undefined;
    try {
      const { format_version: version, files } = JSON.parse(text);
      return version === 1 ? Object.keys(files) : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Puts a file whose contents are complete into its commit's folder, unless another process was
   * faster.
   *
   * @param fresh whether nothing else can use these contents yet
   */
  async place(commit: string, file: RepoFile, fresh: boolean): Promise<void> {
    const target = join(this.snapshot(commit), file.path);
    await Deno.mkdir(dirname(target), { recursive: true });
    const up = "../".repeat(file.path.split("/").length + 1);
    try {
      await Deno.symlink(`${up}blobs/${file.blob.hex}`, target);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return;
      // Links cannot be made.
      await this.#placeContents(file, target, fresh);
    }
  }

  async #placeContents(file: RepoFile, target: string, fresh: boolean): Promise<void> {
    if (await sizeOf(target) === file.size) return;
    if (fresh) return await Deno.rename(this.blob(file), target);
    const copy = this.unfinished(file);
    try {
      await Deno.copyFile(this.blob(file), copy);
    } catch (error) {
      if (await sizeOf(target) === file.size) return;
      throw error;
    }
    await Deno.rename(copy, target);
  }
}

/** Length of a file in bytes, behind a link if it is one; undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const { isFile, size } = await Deno.stat(path);
    return isFile ? size : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Removes a file or a link. */
export async function removeIfPresent(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (isAbsent(error) || error instanceof Deno.errors.IsADirectory) return undefined;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}
