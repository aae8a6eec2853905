/**
 * Brings what a benchmark is made from: its rows, its worked examples, and the wording of its prompts
 * where that is its authors'.
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import type { RowSource } from "../../benchmarks/benchmark.ts";
import { type Suite, type SuiteName, suites } from "../../benchmarks/suites.ts";
import { fetchDataset } from "../../engine/checkpoint/hub/dataset.ts";
import type { FetchOptions } from "../../engine/checkpoint/hub/fetch_model.ts";
import { fetchWording, type WordingOptions, wordingPlace } from "./wording.ts";

/** A benchmark that is in the cache. */
export interface FetchedBenchmark {
  /** Its files. */
  readonly paths: readonly string[];
  /** `OWNER/NAME` of the data set. */
  readonly repo: string;
  readonly commit: string;
  /** Bytes that came. */
  readonly received: number;
}

/** Where the wording is asked for and kept, in tests. */
export type WordingPlace = Partial<Pick<WordingOptions, "place" | "github" | "sha256">>;

/**
 * Brings a benchmark.
 *
 * @throws {UserError} for one that is in no data set, and when what it needs does not come; wording that
 *   does not come is told alone, since the project's own takes its place
 */
export async function fetchBenchmark(
  name: SuiteName,
  options: FetchOptions,
  wording: WordingPlace = {},
): Promise<FetchedBenchmark> {
  const sources = sourcesOf(suites[name]);
  const repo = sources[0]?.repo;
  if (repo === undefined) {
    throw new UserError(
      `The rows of ${name} are in no data set of the hub: give them to run with --data`,
    );
  }
  const files = [...new Set(sources.map(({ file }) => file))];
  const { paths, commit, received } = await fetchDataset(repo, files, name, options);
  if (!name.startsWith("longbench")) return { paths, repo, commit, received };
  const { access, patience, notice } = options;
  try {
    const came = await fetchWording({
      access,
      place: wordingPlace(),
      ...(patience === undefined ? {} : { patience }),
      ...(notice === undefined ? {} : { notice }),
      ...wording,
    });
    return { paths, repo, commit, received: received + came };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    notice?.(`${error.message}; prompts will have this project's wording`);
    return { paths, repo, commit, received };
  }
}

function sourcesOf({ sets }: Suite): readonly RowSource[] {
  return Object.values(sets).flatMap((open) => {
    const { source, shots } = open();
    return [source, shots?.source].filter((each) => each !== undefined);
  });
}
