/**
 * Files of a model, wherever it lies: in a folder of this machine, or beside this program on the
 * server that it was imported from.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { UserError } from "../../errors.ts";

/**
 * A file of a model. It is opened anew for each read, so that a model may be read long after it was
 * found without anything to close.
 */
export interface ModelFile {
  /** Path or URL, for errors. */
  readonly path: string;
  /** Length in bytes. */
  readonly size: number;
  /**
   * Bytes `at .. at + count` of it.
   *
   * @param memory of `count` bytes that takes them; absent for memory of their own
   * @throws {UserError} when the file is shorter, or no longer the one that was found
   */
  read(
    at: number,
    count: number,
    memory?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>>;
}

/** Whether a model lies on a server. */
export function isUrl(path: string): boolean {
  return /^https?:\/\//.test(path);
}

/** The path of a file in a model's folder; both are paths, or both URLs. */
export function fileIn(folder: string, name: string): string {
  return isUrl(folder) ? `${folder}/${name}` : join(folder, name);
}

/**
 * Finds a file; undefined when there is none. What comes from a server is fetched whole.
 *
 * @param path in the file system, or a URL
 * @throws {UserError} when it is there but cannot be read
 */
export async function openModelFile(path: string): Promise<ModelFile | undefined> {
  try {
    return isUrl(path) ? await fetchFile(path) : await openFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    if (error instanceof UserError) throw error;
    throw new UserError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/**
 * Finds a file that a model cannot do without.
 *
 * @throws {UserError} when there is none, or it cannot be read
 */
export async function openNeededFile(path: string): Promise<ModelFile> {
  const file = await openModelFile(path);
  if (file !== undefined) return file;
  const place = isUrl(path) ? path : resolve(path);
  throw new UserError(`${place} does not exist; a model folder must have it`);
}

async function openFile(path: string): Promise<ModelFile | undefined> {
  const found = await Deno.stat(path);
  if (!found.isFile) return undefined;
  return {
    path,
    size: found.size,
    read: async (at, count, memory = new Uint8Array(count)) => {
      using file = await Deno.open(path, { read: true });
      const { ino, size, mtime } = await file.stat();
      if (ino !== found.ino || mtime?.getTime() !== found.mtime?.getTime()) {
        throw new UserError(`${path} has become another file since it was first read`);
      }
      if (at + count > size) throw endedEarly(path);
      await file.seek(at, Deno.SeekMode.Start);
      for (let done = 0; done < count;) {
        const read = await file.read(memory.subarray(done));
        if (read === null) throw endedEarly(path);
        done += read;
      }
      return memory;
    },
  };
}

async function fetchFile(path: string): Promise<ModelFile | undefined> {
  const response = await fetch(path);
  if (!response.ok) {
    await response.body?.cancel();
    if (response.status === 404) return undefined;
    throw new UserError(`${path} cannot be read: its server answers ${response.status}`);
  }
  const whole = await response.bytes();
  return {
    path,
    size: whole.length,
    read: (at, count) =>
      at + count <= whole.length
        ? Promise.resolve(whole.slice(at, at + count))
        : Promise.reject(endedEarly(path)),
  };
}

function endedEarly(path: string): UserError {
  return new UserError(`${path} ended while it was read`);
}
