/**
 * Replays benchmarks by name.
 *
 * @module
 */
import { basename } from "node:path";
import { spreadSample } from "../benchmarks/sample.ts";
import type { NamedBenchmark } from "../benchmarks/suites.ts";
import { nameOfRows, ownFields } from "../benchmarks/suites/fields.ts";
import {
  type BenchmarkSlice,
  benchmarkSlice,
  ownSlice,
} from "../evaluation/benchmarks/benchmark_slices.ts";
import { ContainedBenchmark } from "../evaluation/benchmarks/contained_benchmark.ts";
import type { Making } from "./provenance.ts";
import { replayedSlice, type ReplayInput, replayInputs, sliceInput } from "./replay_command.ts";
import type { OwnRows, RunOptions } from "./run_options.ts";

/** Runs the command; the exit code is 1 when a policy failed, else 0. */
export async function runBenchmarks(options: RunOptions, making: Making): Promise<number> {
  const { file, choice: { prompts, shotsFrom } } = options;
  const more = [prompts, shotsFrom, file].filter((path) => path !== undefined);
  // The process of a benchmark file scores until the run is over.
  await using held = new AsyncDisposableStack();
  return await replayInputs(options.replay, making, () => inputs(options, held), more);
}

async function inputs(options: RunOptions, held: AsyncDisposableStack): Promise<ReplayInput[]> {
  const { replay, names, own, file, choice } = options;
  if (file !== undefined) {
    const benchmark = held.use(await ContainedBenchmark.open(file, replay.limits));
    return [benchmarkInput(await ownSlice(benchmark, choice), options)];
  }
  const benchmarks = own === undefined ? names : [ownBenchmark(own, choice.data!)];
  return await Promise.all(benchmarks.map(async (benchmark) => {
    if (typeof benchmark === "string") return await sliceInput(benchmark, replay);
    return benchmarkInput(await benchmarkSlice(benchmark, choice, benchmarks.length > 1), options);
  }));
}

function benchmarkInput(
  slice: BenchmarkSlice,
  { replay: { limit = Infinity, generate }, maxPromptTokens }: RunOptions,
): ReplayInput {
  const limits = { generate, ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }) };
  const examples = spreadSample(slice.examples, limit);
  return {
    ...replayedSlice({ ...slice, examples }, limits),
    origin: slice.origin,
    ...(slice.floor === undefined ? {} : { floor: slice.floor }),
  };
}

/** Rows of one's own, reported under the name of their file. */
function ownBenchmark({ fields, metric }: OwnRows, data: string): NamedBenchmark {
  const name = nameOfRows(basename(data));
  return { name, set: name, benchmark: ownFields(fields, metric) };
}
