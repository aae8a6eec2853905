/**
 * Shows where two runs differ.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { runDifferences } from "../report/run_differences.ts";
import { differencesText } from "../report/run_differences_text.ts";
import { readSavedRun, type SavedRun } from "../report/saved_run.ts";
import { print } from "../report/terminal.ts";
import type { CompareOptions } from "./compare_options.ts";
import { terminalColumns } from "./surroundings.ts";

/** Columns where there is no terminal. */
const COLUMNS = 100;

/**
 * Prints what differs; the exit code is 0.
 *
 * @throws {UserError} when a folder holds no run, or the two have no policy and example in common
 */
export async function compareRuns({ folders, pairs, limit }: CompareOptions): Promise<number> {
  const [a, b] = await Promise.all([readSavedRun(folders[0]), readSavedRun(folders[1])]);
  const differences = runDifferences(a, b, pairs);
  if (differences.policies.length === 0) {
    throw new UserError(
      `The runs have nothing in common that was asked for: ${folders[0]} has ${contents(a)}, and ` +
        `${folders[1]} has ${contents(b)}; expected the same slice, policy and example in both`,
    );
  }
  const { columns = COLUMNS } = terminalColumns();
  print(differencesText(differences, { limit, columns }));
  return 0;
}

/** Slices and policies of a run, in words. */
function contents({ slices }: SavedRun): string {
  return slices.map(({ slice, policies }) =>
    `${slice} under ${policies.map(({ policy }) => policy).join(", ") || "no policy"}`
  ).join("; ") || "no slice";
}
