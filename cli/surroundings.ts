/**
 * What the commands share of the place they are run in.
 *
 * @module
 */

/** Folder of references and calibrations, below the folder the command is run in. */
export const CACHE_FOLDER = ".cache/kvreplay";

/** Columns of the terminal, where there is one. */
export function terminalColumns(): { columns?: number } {
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? { columns } : {};
  } catch {
    return {};
  }
}
