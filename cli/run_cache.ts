/**
 * The cache of a run, from its options and the user's place.
 *
 * @module
 */
import { CacheError } from "../evaluation/cache/cache_error.ts";
import { CacheFolder } from "../evaluation/cache/cache_folder.ts";
import type { LabOptions } from "../evaluation/lab.ts";
import { cachePlace } from "./cache_place.ts";

/** Where earlier versions kept a cache for each folder they were run in. */
const OLD_FOLDER = ".cache/kvreplay";

/** What the user said of the cache. */
export interface CacheChoice {
  /** Whether anything is kept on disk for later runs. */
  readonly cache: boolean;
  /** Bytes that all of them may take. */
  readonly cacheLimit: number;
}

/**
 * How a lab is to keep what it makes; a place that cannot be written is found before any work.
 *
 * @throws {CacheError} that says what else can be done
 */
export async function runCache(
  { cache, cacheLimit }: CacheChoice,
  notice: (sentence: string) => void,
): Promise<Pick<LabOptions, "cache" | "cacheLimit">> {
  if (!cache) return {};
  const place = cachePlace();
  if (place === undefined) {
    notice("Nothing is kept for the next run: neither KVREPLAY_CACHE nor HOME says where");
    return {};
  }
  try {
    await CacheFolder.open(place, { limit: cacheLimit });
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    throw new CacheError(
      `${error.message}; set KVREPLAY_CACHE to another folder, or give --no-cache`,
    );
  }
  if (await isOldCache(place)) {
    notice(
      `The cache is now in ${place}: the folder ${OLD_FOLDER} is not read, and may be deleted`,
    );
  }
  return { cache: place, cacheLimit };
}

async function isOldCache(place: string): Promise<boolean> {
  const isFolder = await Deno.lstat(`${OLD_FOLDER}/references`)
    .then((info) => info.isDirectory, () => false);
  return isFolder && await Deno.realPath(OLD_FOLDER) !== await Deno.realPath(place);
}
