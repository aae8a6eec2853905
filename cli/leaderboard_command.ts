/**
 * Fills the leaderboard, prints it and writes its files.
 *
 * @module
 */
import { Board } from "../leaderboard/board.ts";
import { boardText } from "../leaderboard/board_text.ts";
import { CellStore } from "../leaderboard/cell_store.ts";
import { fill, type Filled, type FillEvent } from "../leaderboard/fill.ts";
import { manifestOf } from "../leaderboard/manifest.ts";
import { libraryVersions, projectCommit } from "../leaderboard/project_facts.ts";
import { openModel } from "../leaderboard/ready_model.ts";
import { resultFiles } from "../leaderboard/result_files.ts";
import { broughtQuantizers } from "./brought_quantizers.ts";
import { calibrationData } from "./calibration_data_options.ts";
import { openOutputFolder, writeAll } from "../report/output_folder.ts";
import { StatusLine } from "../report/status_line.ts";
import { print } from "../report/terminal.ts";
import { EXIT } from "./failure.ts";
import { foreignLeaderboard, type ForeignResult } from "./foreign_command.ts";
import { InterruptListener } from "./interrupt.ts";
import type { LeaderboardOptions } from "./leaderboard_options.ts";
import { inputFiles, made, type Making, quantizerInputs } from "./provenance.ts";
import { runCache } from "./run_cache.ts";
import { terminalColumns } from "./surroundings.ts";
import { VERSION } from "./version.ts";

/** Runs the command; the exit code is 1 when a cell failed, else 0. */
export async function leaderboard(
  options: LeaderboardOptions,
  making: Making,
): Promise<number> {
  const bar = !options.quiet && Deno.stderr.isTerminal();
  const status = new StatusLine({ bar, ...terminalColumns() });
  const inform = (sentence: string) => {
    if (!options.quiet) status.notice(sentence);
  };
  for (const remark of options.ungrouped) inform(remark);
  const started = new Date();
  const cellFolder = `${options.out}/cells`;
  using interrupts = new InterruptListener({
    outcome: `finished cells are in ${cellFolder}, and the same command goes on from there`,
  }, bar);
  const { calibrationData: texts } = options;
  // What they are now is what is judged.
  const inputs = await inputFiles([
    ...await quantizerInputs(options.quantizers),
    ...(texts === undefined ? [] : [{ path: texts }]),
  ]);
  const commit = await projectCommit();
  for (const folder of [options.out, cellFolder]) openOutputFolder(folder);
  const cache = await runCache(options, inform);
  const store = new CellStore(cellFolder, (sentence) => status.notice(sentence));
  const quantizers = broughtQuantizers(options, (sentence) => status.notice(sentence));
  const brought = quantizers.map(({ name }) => name);
  const ready = { ...readyOptions(options), ...cache, commit, quantizers, notice: inform };
  const progress = (done: number, total: number, event: FillEvent) =>
    tell(done, total, event, status, inform);
  let filled: Filled | ForeignResult | undefined;
  try {
    filled = options.foreign
      ? await foreignLeaderboard(options, ready, store, progress)
      : await fill({
        ...options,
        policies: [...options.policies, ...brought],
        named: [...options.named, ...brought],
        store,
        open: async (name) => {
          const model = await openModel(name, ready);
          making.found?.({ models: [{ name, hash: model.fingerprint }], slices: [] });
          return model;
        },
        progress,
      });
  } finally {
    await status.stop();
  }
  if (filled === undefined || "files" in filled) {
    if (filled === undefined) return noCell(status);
    const { text, files, failed } = filled;
    interrupts.leave({ outcome: `the results are in ${options.out}` }, () => {
      print(text);
      writeAll(options.out, files);
    });
    inform(`Every cell is in ${options.out}/foreign.md and foreign.csv`);
    return failed ? EXIT.failed : 0;
  }
  if (filled.cells.length === 0) return noCell(status);
  const board = new Board({ ...filled, ...options });
  const text = boardText(board);
  const manifest = manifestOf(board, {
    ...{ version: VERSION, commit, versions: libraryVersions() },
    made: await made(making, filled.cells[0]!.key.engine, inputs),
    reused: filled.reused,
    started,
    finished: new Date(),
  });
  const files = resultFiles(board, manifest);
  interrupts.leave({ outcome: `the results are in ${options.out}` }, () => {
    print(text);
    writeAll(options.out, files);
  });
  inform(`Results are in ${options.out}; open ${options.out}/report.html`);
  return filled.failures.length > 0 ? EXIT.failed : 0;
}

function noCell(status: StatusLine): number {
  status.notice("No cell could be finished: no result files were written");
  return EXIT.failed;
}

function readyOptions(options: LeaderboardOptions) {
  const { device, limit, budgetBits, seed } = options;
  return {
    ...calibrationData(options),
    device,
    ...(limit === undefined ? {} : { limit }),
    budgetBits,
    seed,
    version: VERSION,
  };
}

function tell(
  done: number,
  total: number,
  event: FillEvent,
  status: StatusLine,
  inform: (sentence: string) => void,
): void {
  if (event.kind === "not applicable") {
    const { model, policy, reason } = event.misfit;
    return status.notice(`${model} ${policy}: not applicable: ${reason}`);
  }
  const { model, slice, policy } = "key" in event
    ? event.key
    : "numbers" in event.cell
    ? event.cell.key
    : event.cell;
  const name = `${model} ${slice} ${policy}`;
  status.progress(done, total, name);
  if (event.kind === "started") return;
  const at = `[${done}/${total}] ${name}`;
  if (event.kind === "failed") return status.notice(`${at}: ${event.cell.reason}`);
  const { numbers, environment } = event.cell;
  const how = event.kind === "reused" ? "finished before" : `${environment.seconds.toFixed(1)} s`;
  inform(
    `${at}: quality_main ${numbers.quality_main.toFixed(2)}, ` +
      `${numbers.peak_kv_memory_mb.toFixed(3)} MiB (${how})`,
  );
}
