/**
 * Replays benchmarks by name.
 *
 * @module
 */
import { basename } from "node:path";
import { spreadSample } from "../benchmarks/sample.ts";
import type { NamedBenchmark } from "../benchmarks/suites.ts";
import { ownFields } from "../benchmarks/suites/fields.ts";
import { benchmarkSlice } from "../evaluation/benchmarks/benchmark_slices.ts";
import type { Making } from "./provenance.ts";
import { replayedSlice, type ReplayInput, replayInputs, sliceInput } from "./replay_command.ts";
import type { OwnRows, RunOptions } from "./run_options.ts";

/** Runs the command; the exit code is 1 when a policy failed, else 0. */
export async function runBenchmarks(options: RunOptions, making: Making): Promise<number> {
  const { prompts, shotsFrom } = options.choice;
  const more = [prompts, shotsFrom].filter((path) => path !== undefined);
  return await replayInputs(options.replay, making, () => inputs(options), more);
}

async function inputs(
  { replay, names, own, choice, maxPromptTokens }: RunOptions,
): Promise<ReplayInput[]> {
  const benchmarks = own === undefined ? names : [ownBenchmark(own, choice.data!)];
  const limits = {
    generate: replay.generate,
    ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
  };
  return await Promise.all(benchmarks.map(async (benchmark) => {
    if (typeof benchmark === "string") return await sliceInput(benchmark, replay);
    const slice = await benchmarkSlice(benchmark, choice, benchmarks.length > 1);
    const examples = spreadSample(slice.examples, replay.limit ?? Infinity);
    return {
      ...replayedSlice({ ...slice, examples }, limits),
      origin: slice.origin,
      ...(slice.floor === undefined ? {} : { floor: slice.floor }),
    };
  }));
}

/** Rows of one's own, reported under the name of their file. */
function ownBenchmark({ fields, metric }: OwnRows, data: string): NamedBenchmark {
  const name = basename(data).replace(/\.\w+$/, "").replace(/[^\w.-]+/g, "_").slice(0, 64) ||
    "rows";
  return { name, set: name, benchmark: ownFields(fields, metric) };
}
