/**
 * What the commands share of the place they are run in.
 *
 * @module
 */

/** Columns of the terminal, where there is one. */
export function terminalColumns(): { columns?: number } {
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? { columns } : {};
  } catch {
    return {};
  }
}
