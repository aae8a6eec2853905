/**
 * A folder of entries, for every run of one user. Any number of processes may use it at once:
 *
 * - an entry is written under a temporary name and renamed, so that it is there as a whole or not;
 * - an entry that vanishes under a reader, or is not what was written, is made again by who needs it;
 * - when an entry was last used is the time of its file, so that there is no index to be wrong;
 * - the lock on a file that is being written ends with its process, so that nothing is left to clear
 *   up by hand.
 *
 * Processes that write at the same moment may exceed the limit by a little; whoever opens the folder
 * next puts that right.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { createHeld } from "../../files/held_file.ts";
import { CacheError } from "./cache_error.ts";
import {
  type Entry,
  entryBytes,
  EntryError,
  type EntryHeader,
  type EntryKind,
  payloadStart,
  readEntry,
  verifyEntry,
  writeEntry,
} from "./entry_file.ts";
import {
  cacheFolders,
  entriesIn,
  entryPath,
  type EntryPlace,
  removeUnfinished,
  unfinishedPath,
} from "./entry_places.ts";
import { leaving } from "./eviction.ts";
import prettyBytes from "pretty-bytes";

/** Bytes that a cache may hold when nobody says otherwise. */
export const DEFAULT_CACHE_LIMIT = 8 * 2 ** 30;

/** Free bytes of a disk that the cache leaves alone. */
const RESERVE = 256 * 2 ** 20;

/** After this share of the limit is written the entries are counted again: others write, too. */
const RECOUNT = 1 / 64;

/** How a cache is opened. */
export interface CacheOptions {
  /** Bytes it may hold; default 8 GiB. */
  readonly limit?: number;
  /** Takes a sentence for the user; each kind is told once. */
  readonly notice?: (sentence: string) => void;
  /** Bytes that the folder's disk has left; default: what the system says. */
  readonly free?: (folder: string) => Promise<number>;
}

/** Entries of every kind, under one limit. */
export class CacheFolder {
  readonly #limit: number;
  readonly #free: (folder: string) => Promise<number>;
  readonly #notice: ((sentence: string) => void) | undefined;
  readonly #told = new Set<string>();
  /** Bytes of all entries when they were last counted, and of those written since. */
  #bytes = Infinity;
  /** Bytes written since. */
  #own = 0;

  private constructor(
    /** Where the entries are. */
    readonly folder: string,
    { limit = DEFAULT_CACHE_LIMIT, free = freeBytes, notice }: CacheOptions,
  ) {
    this.#limit = limit;
    this.#free = free;
    this.#notice = notice;
  }

  /**
   * Opens a folder, which is made when it is not there; what killed processes left in it and what
   * exceeds the limit is removed.
   *
   * @throws {CacheError} when nothing can be written there
   */
  static async open(folder: string, options: CacheOptions = {}): Promise<CacheFolder> {
    try {
      await makeFolders(folder);
      const attempt = unfinishedPath(folder);
      await Deno.writeTextFile(attempt, "");
      // Another process may have taken it for left behind.
      await Deno.remove(attempt).catch(() => {});
    } catch (error) {
      if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
      const isFile = error instanceof Deno.errors.AlreadyExists ||
        error instanceof Deno.errors.NotADirectory;
      throw new CacheError(
        `Nothing can be kept in "${folder}": ${
          isFile ? "a file is in the way; expected a folder" : error.message
        }`,
      );
    }
    removeUnfinished(folder);
    const cache = new CacheFolder(folder, options);
    await cache.#remove(leaving(entriesIn(folder), 0, cache.#limit) ?? []);
    return cache;
  }

  /**
   * What is kept under a key, or undefined when nothing is that can be used.
   *
   * @param accept says from the header whether the payload is what is looked for
   * @param parse makes of it what is kept; undefined, or an error, when it cannot be that
   */
  async read<V>(
    kind: EntryKind,
    key: string,
    accept: (header: EntryHeader) => boolean,
    parse: (entry: Entry) => V | undefined | Promise<V | undefined>,
  ): Promise<V | undefined> {
    const path = entryPath(this.folder, kind, key);
    try {
      const entry = await readEntry(
        path,
        (header) => header.kind === kind && header.key === key && accept(header),
      );
      const value = await parse(entry);
      if (value === undefined) throw new EntryError(`Entry "${path}" is not what its name says`);
      await used(path);
      return value;
    } catch (error) {
      return this.#missed(error);
    }
  }

  /**
   * Where an entry is, for who reads the payload from the file itself.
   *
   * @param payloadBytes what it must have
   * @returns its file, and the byte of it at which the payload starts; undefined when there is none
   */
  async locate(
    kind: EntryKind,
    key: string,
    payloadBytes: number,
  ): Promise<{ path: string; start: number } | undefined> {
    const path = entryPath(this.folder, kind, key);
    try {
      const header = await verifyEntry(path, true);
      if (header.kind !== kind || header.key !== key || header.payloadBytes !== payloadBytes) {
        throw new EntryError(`Entry "${path}" is not what its name says`);
      }
      await used(path);
      return { path, start: payloadStart(header) };
    } catch (error) {
      return this.#missed(error);
    }
  }

  /** Whether there is an entry under a key, unread. */
  async has(kind: EntryKind, key: string): Promise<boolean> {
    const path = entryPath(this.folder, kind, key);
    return await Deno.lstat(path).then((info) => info.isFile, () => false);
  }

  /**
   * Writes an entry; what cannot be kept costs the entry, not the run. A payload that fails, because
   * a device is lost for one, is not the cache's to pass over.
   *
   * @param blocks the payload, `header.payloadBytes` of it
   * @param since entries used at this time or later do not make room, in milliseconds since 1970
   * @returns whether it was written
   */
  async write(
    header: EntryHeader,
    blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    since?: number,
  ): Promise<boolean> {
    const path = entryPath(this.folder, header.kind, header.key);
    const bytes = entryBytes(header);
    const source = new Source(blocks);
    try {
      // Somebody may have cleared the folder.
      await makeFolders(this.folder);
      if (!await this.#makeRoom(path, bytes, since)) {
        this.#tell(
          "full",
          `Not everything is kept for the next run: ${this.folder} may hold ${
            prettyBytes(this.#limit, { binary: true })
          }, and its disk must keep ${prettyBytes(RESERVE, { binary: true })} free`,
        );
        return false;
      }
      await this.#writeWhole(path, header, source);
    } catch (error) {
      if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
      if (source.failed) throw error;
      this.#tell("failed", `Not everything is kept for the next run: ${error.message}`);
      return false;
    }
    this.#bytes += bytes;
    this.#own += bytes;
    return true;
  }

  /** A sentence when the disk has no room for `bytes` more, as far as the limit allows them. */
  async shortage(bytes: number): Promise<string | undefined> {
    const free = await this.#free(this.folder);
    const growth = Math.min(bytes, this.#limit - total(entriesIn(this.folder)));
    if (growth <= free - RESERVE) return undefined;
    // Then it need not be told once more when the first entry does not fit.
    this.#told.add("full");
    return `The disk of ${this.folder} has ${
      prettyBytes(Math.max(0, free), { binary: true })
    } free, and up to ${
      prettyBytes(growth, { binary: true })
    } would be kept there for the next run: what leaves less than ${
      prettyBytes(RESERVE, { binary: true })
    } is not kept`;
  }

  async #writeWhole(
    path: string,
    header: EntryHeader,
    blocks: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    using unfinished = await createHeld(() => unfinishedPath(this.folder));
    try {
      await writeEntry(unfinished.file, header, blocks);
      // The time that a file gets by itself may be a little behind the clock that it is compared with.
      await unfinished.file.utime(new Date(), new Date());
      // An empty folder that has its name makes room; nothing else does that is not ours.
      await Deno.rename(unfinished.path, path).catch(async () => {
        await Deno.remove(path);
        await Deno.rename(unfinished.path, path);
      });
    } catch (error) {
      await Deno.remove(unfinished.path).catch(() => {});
      throw error;
    }
  }

  /** Removes entries until `bytes` more fit; false when they cannot. */
  async #makeRoom(path: string, bytes: number, since: number | undefined): Promise<boolean> {
    const free = await this.#free(this.folder) - RESERVE;
    if (this.#bytes + bytes <= this.#limit && this.#own < RECOUNT * this.#limit && bytes <= free) {
      return true;
    }
    const entries = entriesIn(this.folder).filter((entry) => entry.path !== path);
    const kept = total(entries);
    // A disk that fills up takes from the cache, too.
    const out = leaving(entries, bytes, Math.min(this.#limit, kept + free), since);
    await this.#remove(out ?? []);
    this.#bytes = kept - total(out ?? []);
    this.#own = 0;
    return out !== undefined;
  }

  /** Who reads one of them has it open, or makes it again. */
  async #remove(entries: readonly EntryPlace[]): Promise<void> {
    for (const { path } of entries) await Deno.remove(path).catch(() => {});
  }

  /** Says of an entry that is there that it cannot be used. */
  #missed(error: unknown): undefined {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.NotCapable) throw error;
    this.#tell("damaged", `Part of ${this.folder} is not what was kept there; it is made anew`);
  }

  #tell(what: "damaged" | "failed" | "full", sentence: string): void {
    if (this.#told.has(what)) return;
    this.#told.add(what);
    this.#notice?.(sentence);
  }
}

/** A payload, and whether it was what failed. */
class Source {
  failed = false;

  constructor(private readonly blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for await (const block of this.blocks) yield block;
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }
}

async function used(path: string): Promise<void> {
  const now = new Date();
  await Deno.utime(path, now, now).catch(() => {});
}

/** Readable by their user alone, as XDG's specification has it for folders that are made. */
async function makeFolders(folder: string): Promise<void> {
  for (const path of cacheFolders(folder)) {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  }
}

function total(entries: readonly { readonly bytes: number }[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Bytes that this user may still write on a folder's disk; infinite where nobody says. */
async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}
