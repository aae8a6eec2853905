/**
 * The benchmarks of a sweep, read when they are asked for.
 *
 * @module
 */
import { needleKinds } from "../benchmarks/niah/needle_kinds.ts";
import { isSliceName, loadDataFile, slices } from "../benchmarks/slices.ts";
import { benchmarksNamed, type NamedBenchmark } from "../benchmarks/suites.ts";
import { ownFields } from "../benchmarks/suites/fields.ts";
import { InternalError } from "../errors.ts";
import {
  type BenchmarkChoice,
  benchmarkSlice,
  ownSlice,
} from "../evaluation/benchmarks/benchmark_slices.ts";
import { ContainedBenchmark } from "../evaluation/benchmarks/contained_benchmark.ts";
import { readHaystack } from "../evaluation/benchmarks/needle_slices.ts";
import { readText } from "../evaluation/benchmarks/read_text.ts";
import { type Judged, judgedSlice, judgedText } from "../leaderboard/judged.ts";
import {
  judgedExamples,
  judgedNeedles,
  judgedQuestions,
} from "../leaderboard/judged_benchmarks.ts";
import {
  type BenchmarkEntry,
  benchmarkName,
  type FieldsEntry,
  type FileEntry,
  type NamedEntry,
  type NeedlesEntry,
  type SweepBenchmark,
} from "./benchmark_entry.ts";

/** Benchmarks of a sweep by their names. Hold it: files of the user's score in processes of their own. */
export class OpenBenchmarks implements AsyncDisposable {
  readonly #byName: ReadonlyMap<string, SweepBenchmark>;
  readonly #open = new Map<string, Promise<Judged>>();
  readonly #held = new AsyncDisposableStack();

  /** @param version of the package */
  constructor(benchmarks: readonly SweepBenchmark[], private readonly version: string) {
    this.#byName = new Map(benchmarks.map((benchmark) => [benchmarkName(benchmark), benchmark]));
  }

  /**
   * A benchmark, read once.
   *
   * @throws {UserError} when it cannot be read, naming the file
   */
  get(name: string): Promise<Judged> {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const benchmark = this.#byName.get(name);
    if (benchmark === undefined) throw new InternalError(`A sweep has no benchmark ${name}`);
    const opened = typeof benchmark === "string"
      ? Promise.resolve(judgedSlice(benchmark))
      : this.#judged(benchmark);
    this.#open.set(name, opened);
    return opened;
  }

  async #judged(entry: BenchmarkEntry): Promise<Judged> {
    const { version } = this;
    if ("niah" in entry) return await needles(entry, version);
    if ("ppl" in entry) {
      const { name, ppl, window, from, every } = entry;
      return judgedText(name, await readText(ppl), { window, from, every });
    }
    if ("benchmark" in entry && isSliceName(entry.benchmark)) {
      const { maxNewTokens } = slices[entry.benchmark];
      const examples = await loadDataFile(entry.data!);
      return judgedExamples(entry.name, examples, entry.max_new_tokens ?? maxNewTokens);
    }
    const slice = "file" in entry
      ? await ownSlice(
        this.#held.use(await ContainedBenchmark.open(entry.file)),
        choiceOf(entry),
      )
      : await benchmarkSlice(this.#named(entry), choiceOf(entry), this.#sharesData(entry));
    const { max_prompt_tokens: maxPromptTokens } = entry;
    return judgedQuestions({ ...slice, name: entry.name }, {
      version,
      ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
    });
  }

  #named(entry: NamedEntry | FieldsEntry): NamedBenchmark {
    if ("benchmark" in entry) return benchmarksNamed(entry.benchmark)[0]!;
    const { name, fields, metric } = entry;
    return { name, set: name, benchmark: ownFields(fields, metric) };
  }

  /** Whether other sets are read from the same place. */
  #sharesData(entry: NamedEntry | FieldsEntry): boolean {
    return [...this.#byName.values()].some((other) =>
      typeof other === "object" && "benchmark" in other && "benchmark" in entry &&
      other.data === entry.data && other.benchmark !== entry.benchmark
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held[Symbol.asyncDispose]();
  }
}

function choiceOf(entry: NamedEntry | FieldsEntry | FileEntry): BenchmarkChoice {
  const { data, shots, shots_from, prompts, plain, max_new_tokens } = entry as Partial<NamedEntry>;
  return {
    ...(data === undefined ? {} : { data }),
    ...(shots === undefined ? {} : { shots }),
    ...(shots_from === undefined ? {} : { shotsFrom: shots_from }),
    ...(prompts === undefined ? {} : { prompts }),
    ...(plain === undefined ? {} : { plain }),
    ...(max_new_tokens === undefined ? {} : { maxNewTokens: max_new_tokens }),
  };
}

async function needles(entry: NeedlesEntry, version: string): Promise<Judged> {
  const { name, niah, lengths, depths, samples, haystack, max_new_tokens } = entry;
  return judgedNeedles(name, niah, {
    ...{ lengths, samples, depths: depths.map((depth) => depth / 100) },
    maxNewTokens: max_new_tokens ?? needleKinds[niah].maxNewTokens,
    ...(haystack === undefined ? {} : { haystack: await readHaystack(haystack) }),
  }, version);
}
