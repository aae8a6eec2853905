/**
 * @module
 */
import { sha256 } from "../engine/digest.ts";
import { UserError } from "../errors.ts";
import { boardText } from "../leaderboard/board_text.ts";
import { libraryVersions, projectCommit } from "../leaderboard/project_facts.ts";
import type { Made } from "../report/manifest.ts";
import { openOutputFolder, writeAll } from "../report/output_folder.ts";
import { print, tell } from "../report/terminal.ts";
import { filesOf } from "../sweep/benchmark_entry.ts";
import { seedBoards } from "../sweep/boards.ts";
import { cellText, type SweepDefinition } from "../sweep/definition.ts";
import type { Joined } from "../sweep/join.ts";
import { EXIT } from "./failure.ts";
import type { InterruptListener } from "./interrupt.ts";
import { inputFiles, made } from "./provenance.ts";
import type { SweepOptions } from "./sweep_options.ts";
import { VERSION } from "./version.ts";

/** Name of a sweep's file in a manifest. */
const SWEEP_FILE = "sweep.json";

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
  const boards = await seedBoards(
    joined,
    { version: VERSION, commit: await projectCommit(), versions: libraryVersions() },
    (again, device) => madeOf(again, device, joined.sweep),
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

/** What makes the leaderboard of one seed again: a command, or a file that the manifest holds. */
async function madeOf(
  again: readonly string[] | SweepDefinition,
  device: string,
  { benchmarks, calibration_data }: SweepDefinition,
): Promise<Made> {
  const files = benchmarks.flatMap(filesOf).map(({ path, code }) =>
    [path, { path, ...code && { kept: code } }] as const
  );
  const inputs = await inputFiles([
    ...new Map(files).values(),
    ...(calibration_data === null ? [] : [{ path: calibration_data }]),
  ]);
  if (!("models" in again)) return await made({ command: again }, device, inputs);
  const text = `${JSON.stringify(again, undefined, 1)}\n`;
  const { source, files: read } = await made({ command: [] }, device, inputs);
  const bytes = new TextEncoder().encode(text).length;
  const file = { path: SWEEP_FILE, bytes, sha256: await sha256(text), text };
  return { command: ["sweep", "run", SWEEP_FILE], source, files: [file, ...read] };
}
