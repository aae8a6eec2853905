/**
 * The program of a worker, and how it opens a model.
 *
 * @module
 */
import { openModel, type ReadyOptions } from "../leaderboard/ready_model.ts";
import { print, tell } from "../report/terminal.ts";
import { work, type WorkerSetup } from "../sweep/worker.ts";
import { VERSION } from "./version.ts";

/** The program of a worker. */
export async function workHere(): Promise<number> {
  await work(
    Deno.stdin.readable,
    (line) => print(line),
    VERSION,
    (model, setup, benchmarks) =>
      openModel(model, readyOptions(setup, tell), (name) => benchmarks.get(name)),
  );
  return 0;
}

/** How the models of a sweep are opened. */
export function readyOptions(
  { sweep, threads, cache, cacheLimit, commit }: WorkerSetup,
  notice: (sentence: string) => void,
): ReadyOptions {
  const { device, limit, budget_bits: budgetBits, calibration_data, calibration_tokens } = sweep;
  return {
    // Each cell has a seed of its own.
    ...{ device, budgetBits, threads, seed: 0, version: VERSION, commit, notice },
    ...(limit === null ? {} : { limit }),
    ...(cache === undefined ? {} : { cache }),
    ...(cacheLimit === undefined ? {} : { cacheLimit }),
    ...(calibration_data === null ? {} : { calibrationData: calibration_data }),
    ...(calibration_tokens === null ? {} : { calibrationTokens: calibration_tokens }),
  };
}
