/**
 * @module
 */
import { UserError } from "../errors.ts";
import { boardText } from "../leaderboard/board_text.ts";
import { libraryVersions, projectCommit } from "../leaderboard/project_facts.ts";
import { openOutputFolder, writeAll } from "../report/output_folder.ts";
import { print, tell } from "../report/terminal.ts";
import { seedBoards } from "../sweep/boards.ts";
import { cellText } from "../sweep/definition.ts";
import type { Joined } from "../sweep/join.ts";
import { EXIT } from "./failure.ts";
import type { InterruptListener } from "./interrupt.ts";
import { made } from "./provenance.ts";
import type { SweepOptions } from "./sweep_options.ts";
import { VERSION } from "./version.ts";

/**
 * Prints and writes the leaderboards of what is there of a sweep.
 *
 * @returns the exit code
 * @throws {UserError} when cells are missing and nobody asked for leaderboards without them
 */
export async function finishBoards(
  joined: Joined,
  { out, action, partial }: SweepOptions,
  interrupts: InterruptListener,
  inform: (sentence: string) => void,
): Promise<number> {
  const { cells, missing, failures } = joined;
  for (const cell of missing) tell(`Missing: ${cellText(cell)}`);
  if (missing.length > 0 && action !== "run" && !partial) {
    throw new UserError(
      `${missing.length} of ${
        missing.length + cells.length + failures.length
      } cells are missing: run what has them, or give --partial for leaderboards without them`,
    );
  }
  if (cells.length === 0) {
    tell("No cell could be finished: no result files were written");
    return EXIT.failed;
  }
  const { calibration_data: texts } = joined.sweep;
  const boards = await seedBoards(
    joined,
    { version: VERSION, commit: await projectCommit(), versions: libraryVersions() },
    (command, device) => made({ command }, device, texts === null ? [] : [{ path: texts }]),
  );
  const shown = boards.map(({ seed, board }) =>
    (boards.length === 1 ? "" : `Seed ${seed}\n\n`) + boardText(board)
  );
  const places = boards.map(({ folder }) => folder === "" ? out : `${out}/${folder}`);
  for (const place of places) openOutputFolder(place);
  interrupts.leave({ outcome: `the results are in ${out}` }, () => {
    print(shown.join("\n\n"));
    for (const [i, { files }] of boards.entries()) writeAll(places[i]!, files);
  });
  inform(`Results are in ${places.join(", ")}; open ${places[0]}/report.html`);
  return failures.length + missing.length > 0 ? EXIT.failed : 0;
}
