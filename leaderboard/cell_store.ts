/**
 * Finished cells on disk, one file each: what makes a leaderboard resumable.
 *
 * @module
 */
import { openOutputFolder, writeAll } from "../report/output_folder.ts";
import { type Cell, cellFileName, type CellKey } from "./cell.ts";
import { CellError, OutdatedCellError, readCell, writeCell } from "./cell_file.ts";

/** A cell of thousands of examples takes less. */
const MOST_BYTES = 256 * 2 ** 20;

/** A folder of finished cells. */
export class CellStore {
  #toldOutdated = false;

  /** @param notice takes a sentence for the user: why a cell that is there is run again */
  constructor(
    private readonly folder: string,
    private readonly notice?: (sentence: string) => void,
  ) {}

  /** The finished cell of a key, or undefined when there is none or its file is not what was written. */
  async load(key: CellKey): Promise<Cell | undefined> {
    const name = await cellFileName(key);
    try {
      return await readCell(await this.#text(name), name, key);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
      const { message } = error;
      const outdated = error instanceof OutdatedCellError;
      if (outdated && this.#toldOutdated) return undefined;
      this.#toldOutdated ||= outdated;
      this.notice?.(
        outdated
          ? `Cells of an earlier version in ${this.folder} are run again`
          : `${message}; it is run again`,
      );
      return undefined;
    }
  }

  /**
   * A finished cell by the name of its file.
   *
   * @throws {CellError} when it is not the cell that was written under this name
   */
  async named(name: string): Promise<Cell> {
    const cell = await readCell(await this.#text(name), name);
    if (await cellFileName(cell.key) === name) return cell;
    throw new CellError(`Cell ${name} has a key that does not give this name; expected its own`);
  }

  async #text(name: string): Promise<string> {
    const path = `${this.folder}/${name}`;
    const info = await Deno.lstat(path);
    // A pipe or a device may have no end.
    if (!info.isFile) throw new CellError(`Cell ${name} is no file`);
    if (info.size > MOST_BYTES) {
      throw new CellError(`Cell ${name} has ${info.size} bytes; expected at most ${MOST_BYTES}`);
    }
    return await Deno.readTextFile(path);
  }

  /**
   * Keeps a finished cell; never leaves half a file. Where a folder has its name it is not kept.
   *
   * @throws {UserError} when the folder cannot be made or written
   */
  async save(cell: Cell): Promise<void> {
    const name = await cellFileName(cell.key);
    openOutputFolder(this.folder);
    const info = await Deno.lstat(`${this.folder}/${name}`).catch(() => undefined);
    if (info?.isDirectory) {
      this.notice?.(`Cell ${name} is not kept: a folder has its name; expected a file, or none`);
      return;
    }
    writeAll(this.folder, { [name]: await writeCell(cell) });
  }

  /** Forgets the cell of a key, if there is one. */
  async remove(key: CellKey): Promise<void> {
    try {
      await Deno.remove(`${this.folder}/${await cellFileName(key)}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
