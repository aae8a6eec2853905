/**
 * Replays benchmarks by name.
 *
 * @module
 */
import { basename } from "node:path";
import type { NamedBenchmark } from "../benchmarks/suites.ts";
import { ownFields } from "../benchmarks/suites/fields.ts";
import { benchmarkSlice } from "../evaluation/benchmarks/benchmark_slices.ts";
import { type ReplayInput, replayInputs, sliceInput } from "./replay_command.ts";
import type { OwnRows, RunOptions } from "./run_options.ts";

/** Runs the command; the exit code is 1 when a policy failed, else 0. */
export async function runBenchmarks(options: RunOptions): Promise<number> {
  const { replay, maxPromptTokens } = options;
  return await replayInputs(replay, () => inputs(options), maxPromptTokens);
}

async function inputs({ replay, names, own, choice }: RunOptions): Promise<ReplayInput[]> {
  const benchmarks = own === undefined ? names : [ownBenchmark(own, choice.data!)];
  const several = benchmarks.length > 1;
  return await Promise.all(benchmarks.map(async (benchmark) => {
    if (typeof benchmark === "string") return await sliceInput(benchmark, replay);
    const slice = await benchmarkSlice(benchmark, choice, several);
    return { ...slice, examples: slice.examples.slice(0, replay.limit) };
  }));
}

/** Rows of one's own, reported under the name of their file. */
function ownBenchmark({ fields, metric }: OwnRows, data: string): NamedBenchmark {
  const name = basename(data).replace(/\.\w+$/, "").replace(/[^\w.-]+/g, "_").slice(0, 64) ||
    "rows";
  return { name, set: name, benchmark: ownFields(fields, metric) };
}
