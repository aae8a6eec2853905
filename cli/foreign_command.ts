/**
 * Fills the leaderboard of foreign text (`--foreign`), prints how it ended and writes its files.
 *
 * @module
 */
import type { CellStore } from "../leaderboard/cell_store.ts";
import type { FillInput } from "../leaderboard/fill.ts";
import { fillForeign } from "../leaderboard/foreign/foreign_fill.ts";
import { foreignFiles } from "../leaderboard/foreign/foreign_files.ts";
import { summaryText } from "../leaderboard/foreign/foreign_text.ts";
import { verdicts } from "../leaderboard/foreign/verdicts.ts";
import type { ReadyOptions } from "../leaderboard/ready_model.ts";
import type { BuiltinName } from "../policies/registry.ts";
import type { LeaderboardOptions } from "./leaderboard_options.ts";

/** What a run leaves: a text for stdout, and files; undefined when no cell could be finished. */
export interface ForeignResult {
  readonly text: string;
  readonly files: Readonly<Record<string, string>>;
  readonly failed: boolean;
}

/** Runs every cell that is not finished, and judges them. */
export async function foreignLeaderboard(
  options: LeaderboardOptions,
  ready: ReadyOptions,
  store: CellStore,
  progress: NonNullable<FillInput["progress"]>,
): Promise<ForeignResult | undefined> {
  const { policies, seed, resamples } = options;
  // Quantizers of the user's are refused with foreign text.
  const baseline = options.baseline as BuiltinName;
  const { cells, failures, misfits } = await fillForeign({
    ...{ ...options, baseline, ready, store, progress },
  });
  if (cells.length === 0) return undefined;
  const board = {
    ...{ policies, baseline, seed, resamples, failures, misfits },
    verdicts: verdicts(cells, options),
  };
  return {
    text: summaryText(board),
    files: foreignFiles(board),
    failed: failures.length > 0,
  };
}
