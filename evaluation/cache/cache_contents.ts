/**
 * What a cache holds: to list, to verify and to clear.
 *
 * @module
 */
import { EntryError, type EntryHeader, readHeader, verifyEntry } from "./entry_file.ts";
import { entriesIn, entryPath, removeUnfinished } from "./entry_places.ts";

/** What is kept of one model on one device. */
export interface CacheRow {
  /** What the user called the model; absent for what cannot be read. */
  readonly model?: string;
  /** Where the model ran; absent for what cannot be read. */
  readonly device?: string;
  readonly references: number;
  readonly calibrations: number;
  readonly weights: number;
  readonly bytes: number;
  /** When any of it was last used, in milliseconds since 1970. */
  readonly used: number;
}

/** What is kept, per model and device, last used first. */
export async function cacheRows(folder: string): Promise<CacheRow[]> {
  const rows = new Map<string, CacheRow>();
  for (const entry of entriesIn(folder)) {
    const { model, device } = await headerOf(entry.path) ?? {};
    const name = JSON.stringify([model, device]);
    const row = rows.get(name);
    rows.set(name, {
      ...(model === undefined ? {} : { model }),
      ...(device === undefined ? {} : { device }),
      references: (row?.references ?? 0) + Number(entry.kind === "references"),
      calibrations: (row?.calibrations ?? 0) + Number(entry.kind === "calibrations"),
      weights: (row?.weights ?? 0) + Number(entry.kind === "weights"),
      bytes: (row?.bytes ?? 0) + entry.bytes,
      used: Math.max(row?.used ?? 0, entry.used),
    });
  }
  return [...rows.values()].sort((a, b) => b.used - a.used);
}

/** What a look at every entry found. */
export interface Verified {
  readonly sound: number;
  /** A sentence for each that is not what was written. */
  readonly damaged: readonly string[];
  /** A sentence for each of those that could not be removed: folders that hold something, for one. */
  readonly stuck: readonly string[];
}

/**
 * Reads every entry and removes those that are not what was written; whoever needs one makes it
 * anew.
 *
 * @throws {CacheError} when a folder of it cannot be read
 */
export async function verifyCache(
  folder: string,
  progress?: (done: number, total: number) => void,
): Promise<Verified> {
  removeUnfinished(folder);
  const entries = entriesIn(folder);
  const damaged: string[] = [];
  const stuck: string[] = [];
  let sound = 0;
  for (const [i, { path }] of entries.entries()) {
    progress?.(i, entries.length);
    try {
      const { kind, key } = await verifyEntry(path);
      if (entryPath(folder, kind, key) !== path) {
        throw new EntryError(`Entry "${path}" is not what its name says`);
      }
      sound++;
    } catch (error) {
      if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
      // Another process may have taken it in the meantime.
      const outcome = await remove(path);
      if (outcome !== "gone") damaged.push(error.message);
      if (typeof outcome === "object") stuck.push(outcome.stuck);
    }
  }
  return { sound, damaged, stuck };
}

/**
 * Removes what is kept, and only that: other files in the folder stay.
 *
 * @param model what the user called the model; absent for everything
 * @returns what is gone, and a sentence for each entry that could not be removed
 * @throws {CacheError} when a folder of it cannot be read
 */
export async function clearCache(
  folder: string,
  model?: string,
): Promise<{ entries: number; bytes: number; stuck: string[] }> {
  removeUnfinished(folder);
  const stuck: string[] = [];
  let entries = 0;
  let bytes = 0;
  for (const { path, bytes: size } of entriesIn(folder)) {
    if (model !== undefined && (await headerOf(path))?.model !== model) continue;
    const outcome = await remove(path);
    if (typeof outcome === "object") stuck.push(outcome.stuck);
    if (outcome !== "removed") continue;
    entries++;
    bytes += size;
  }
  return { entries, bytes, stuck };
}

/** What an entry says about itself; undefined when it is damaged, unreadable or gone. */
async function headerOf(path: string): Promise<EntryHeader | undefined> {
  try {
    return await readHeader(path);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}

/** Removes an entry, but nothing of what a folder with its name holds. */
async function remove(path: string): Promise<"removed" | "gone" | { readonly stuck: string }> {
  try {
    await Deno.remove(path);
    return "removed";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "gone";
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    return { stuck: `Entry "${path}" cannot be removed: ${error.message}` };
  }
}
