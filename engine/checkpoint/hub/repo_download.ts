/**
 * Brings files of one commit into the cache. What is there already is read and compared with the
 * listing, too: afterwards every file is what the hub says.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../../errors.ts";
import { downloadBlob } from "./blob_download.ts";
import { blobHash, hashFile } from "./blob_hash.ts";
import type { HubClient } from "./hub_client.ts";
import { type Listing, listRepo } from "./listing.ts";
import { removeIfPresent, RepoCache, type RepoFile, sizeOf } from "./repo_cache.ts";

/** How far the files are. */
export interface DownloadProgress {
  /** The file at hand. */
  readonly path: string;
  /** Bytes that are there, and of all files that were asked for. */
  readonly done: number;
  readonly total: number;
  /** Bytes that came from the hub since the last call. */
  readonly received: number;
}

/** What is told while files come. */
export interface RepoEvents {
  progress?(at: DownloadProgress): void;
  /** Takes a sentence for the user. */
  notice?(sentence: string): void;
}

/** Contents that are complete, and whether nothing else uses them yet. */
interface Contents {
  readonly file: RepoFile;
  readonly fresh: boolean;
}

/** The files of a revision, as the hub listed them once. */
export class RepoDownload {
  private constructor(
    private readonly client: HubClient,
    private readonly cache: RepoCache,
    private readonly events: RepoEvents,
    /** The revision's commit and its files. */
    readonly listing: Listing,
  ) {}

  /**
   * Asks the hub what a revision has.
   *
   * @throws {UserError} when the hub refuses
   */
  static async open(
    client: HubClient,
    cacheFolder: string,
    revision: string,
    events: RepoEvents,
  ): Promise<RepoDownload> {
    const listing = await listRepo(client, revision);
    return new RepoDownload(client, new RepoCache(cacheFolder, client.repo), events, listing);
  }

  /** Folder of the files. */
  get folder(): string {
    return this.cache.snapshot(this.listing.commit);
  }

  /**
   * Brings files. None is in the commit's folder before the contents of all are complete; they are put
   * there in this order.
   *
   * @param paths files of the listing
   * @returns bytes that came from the hub
   * @throws {UserError} when one does not come, is not what the listing says, or cannot be written
   */
  async bring(paths: readonly string[]): Promise<number> {
    const files = paths.map((path) => this.listing.files.get(path)!);
    const total = files.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    let fromHub = 0;
    const waiting: Contents[] = [];
    try {
      for (const file of files) {
        const before = done;
        const tell = (at: number, received: number) => {
          fromHub += received;
          this.events.progress?.({ path: file.path, done: before + at, total, received });
        };
        const contents = await this.#contents(file, tell);
        if (contents !== undefined) waiting.push(contents);
        done += file.size;
        tell(file.size, 0);
      }
      for (const [i, { file, fresh }] of waiting.entries()) {
        const last = !waiting.slice(i + 1).some((other) => other.file.blob.hex === file.blob.hex);
        await this.cache.place(this.listing.commit, file, fresh && last);
      }
    } catch (error) {
      throw this.#unwritable(error);
    }
    return fromHub;
  }

  /** Notes that a revision stands for the commit: what uses the files by that name may find them now. */
  async publish(revision: string): Promise<void> {
    try {
      await this.cache.setCommit(revision, this.listing.commit);
    } catch (error) {
      throw this.#unwritable(error);
    }
  }

  /** Text of a file that was brought. */
  async text(path: string): Promise<string> {
    return await Deno.readTextFile(join(this.folder, path));
  }

  /** Brings the contents of a file; undefined when it is in the commit's folder already. */
  async #contents(
    file: RepoFile,
    progress: (at: number, received: number) => void,
  ): Promise<Contents | undefined> {
    const target = join(this.folder, file.path);
    if (await this.#isRight(target, file)) return undefined;
    // A link that leads nowhere, or a file that is wrong.
    await removeIfPresent(target);
    const blob = this.cache.blob(file);
    if (await this.#isRight(blob, file)) return { file, fresh: false };
    await removeIfPresent(blob);
    const { notice } = this.events;
    const { commit } = this.listing;
    const fresh = await downloadBlob(this.client, this.cache, commit, file, {
      progress,
      ...(notice === undefined ? {} : { notice }),
    });
    return { file, fresh };
  }

  /** Whether a file is there, and is what the listing says. */
  async #isRight(path: string, { path: name, size, blob }: RepoFile): Promise<boolean> {
    const there = await sizeOf(path);
    if (there === undefined) return false;
    if (there === size) {
      using file = await Deno.open(path);
      const hash = blobHash(blob, size);
      await hashFile(file, hash, size);
      if (hash.digest("hex") === blob.hex) return true;
    }
    this.events.notice?.(`${name} in the cache is not what the hub lists; downloading it anew`);
    return false;
  }

  /** What a failure of the file system means. */
  #unwritable(error: unknown): unknown {
    if (error instanceof UserError || !(error instanceof Error) || !("code" in error)) return error;
    return new UserError(
      `The hub's cache at ${this.cache.folder} cannot be written: ${error.message}`,
    );
  }
}
