/**
 * The leaderboards of a sweep, one for each seed.
 *
 * @module
 */
import type { SliceName } from "../benchmarks/slices.ts";
import { Board } from "../leaderboard/board.ts";
import { manifestOf, type RunFacts } from "../leaderboard/manifest.ts";
import { resultFiles } from "../leaderboard/result_files.ts";
import { enginePolicies, policyNames } from "../policies/registry.ts";
import type { Made } from "../report/manifest.ts";
import type { SweepDefinition } from "./definition.ts";
import type { Joined } from "./join.ts";

/** A leaderboard and its files. */
export interface SeedBoard {
  readonly seed: number;
  /** Folder below that of the sweep; empty where there is one seed. */
  readonly folder: string;
  readonly board: Board;
  /** Contents by name. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * The leaderboards of all seeds that have a cell; times are those of the cells.
 *
 * @param made what makes a leaderboard again: what such a command makes on a device, or, with benchmarks
 *   that no such command names, a sweep of one seed
 */
export async function seedBoards(
  { sweep, cells, failures, misfits }: Joined,
  facts: Pick<RunFacts, "version" | "commit" | "versions">,
  made: (again: readonly string[] | SweepDefinition, device: string) => Promise<Made>,
): Promise<SeedBoard[]> {
  const boards: SeedBoard[] = [];
  const slices = sweep.benchmarks.filter((benchmark) => typeof benchmark === "string");
  const isPlain = slices.length === sweep.benchmarks.length;
  for (const seed of sweep.seeds) {
    const own = cells.filter(({ key }) => key.seed === seed);
    if (own.length === 0) continue;
    const board = new Board({
      cells: own,
      failures: failures.filter((failure) => failure.seed === seed).map(({ seed: _, ...f }) => f),
      misfits,
      baseline: sweep.baseline,
      seed,
      resamples: sweep.resamples,
    });
    const started = Math.min(...own.map(({ environment }) => environment.started));
    const finished = Math.max(
      ...own.map(({ environment }) => environment.started + environment.seconds),
    );
    const device = own[0]!.key.engine;
    const again = isPlain
      ? leaderboardCommand(sweep, slices, seed)
      : { ...sweep, device, seeds: [seed] };
    const manifest = manifestOf(board, {
      ...facts,
      made: await made(again, device),
      reused: 0,
      started: new Date(started * 1000),
      finished: new Date(finished * 1000),
    });
    const folder = sweep.seeds.length === 1 ? "" : `seed-${seed}`;
    boards.push({ seed, folder, board, files: resultFiles(board, manifest) });
  }
  return boards;
}

/** The command that makes the leaderboard of one seed of a sweep of embedded slices on one machine. */
function leaderboardCommand(
  sweep: SweepDefinition,
  slices: readonly SliceName[],
  seed: number,
): string[] {
  const has = (some: readonly string[]) =>
    some.every((name) => (sweep.policies as readonly string[]).includes(name));
  const sets = has(policyNames) ? ["all"] : has(enginePolicies) ? ["engines"] : [];
  const options = {
    model: sweep.models.join(","),
    slice: slices.join(","),
    policy: [...sets, ...sweep.named].join(","),
    baseline: sweep.baseline,
    limit: sweep.limit,
    "budget-bits": sweep.budget_bits,
    seed,
    resamples: sweep.resamples,
    "calibration-data": sweep.calibration_data,
    "calibration-tokens": sweep.calibration_tokens,
  };
  return [
    "leaderboard",
    ...Object.entries(options).flatMap(([name, value]) =>
      value === null || value === "" ? [] : [`--${name}`, String(value)]
    ),
  ];
}
