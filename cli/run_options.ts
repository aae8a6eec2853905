/**
 * From the arguments of `kvreplay run` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { isSliceName, type SliceName, sliceNames } from "../benchmarks/slices.ts";
import { type FieldNames, type MetricName, metrics } from "../benchmarks/suites/fields.ts";
import { benchmarksNamed, type NamedBenchmark, type Suite, suites } from "../benchmarks/suites.ts";
import { BenchmarkError } from "../benchmarks/benchmark_error.ts";
import type { BenchmarkChoice } from "../evaluation/benchmarks/benchmark_slices.ts";
import { commandHelp, twoColumns } from "./help.ts";
import { type OptionRow, OPTIONS, valueOptions } from "./option_table.ts";
import { OptionValues, refuseUnknownOptions } from "./option_values.ts";
import { EXAMPLES, type ReplayOptions, replayOptionsOf } from "./replay_options.ts";
import { UsageError } from "./usage_error.ts";

/** What stands behind the command. */
export const RUN_OPERAND = "NAME[,NAME...]";

/** Options that a benchmark has beside those of every replay. */
const OWN_OPTIONS = {
  benchmark: {
    value: "FILE",
    help: "replay this benchmark of yours, a module that runs in a sandbox, instead of one by name",
  },
  shots: {
    value: "N",
    help: "worked examples before each question (default: the benchmark's own)",
  },
  "shots-from": { value: "FILE", help: "take them from this file" },
  prompts: {
    value: "FILE",
    help: "take the wording of prompts from this JSON object, a template for each set",
  },
  plain: { help: "send prompts as they are, without the model's chat turn" },
  "max-prompt-tokens": {
    value: "N",
    help:
      "longest prompt: LongBench's are cut in their middle (default: what the model has room for)",
  },
  fields: {
    value: "prompt=F,answer=F[,id=F]",
    help: "replay the rows of --data, whose fields are these, instead of a benchmark",
  },
  metric: {
    value: Object.keys(metrics).join("|"),
    help: "how replies to them are scored (default: qa_f1)",
  },
} as const satisfies Record<string, OptionRow>;

/** Every option of `kvreplay run`, without dashes. */
export const RUN_OPTIONS = {
  ...OPTIONS,
  data: {
    value: "FILE|FOLDER",
    help: "read the rows there: JSON lines, Parquet, or LongBench's data.zip",
  },
  limit: {
    value: "N",
    help:
      "N examples of each benchmark, spread evenly over its groups and lengths; the first N of a slice",
  },
  ...OWN_OPTIONS,
} as const satisfies Record<string, OptionRow>;

/** A right value of every option, for messages. */
const RUN_EXAMPLES = {
  ...EXAMPLES,
  data: "my_rows.jsonl",
  benchmark: "my_benchmark.ts",
  shots: "5",
  "shots-from": "train.jsonl",
  prompts: "dataset2prompt.json",
  "max-prompt-tokens": "2000",
  fields: "prompt=question,answer=answer",
  metric: "qa_f1",
} as const;

/** Rows of one's own. */
export interface OwnRows {
  readonly fields: FieldNames;
  readonly metric: MetricName;
}

/** Checked options of `kvreplay run`. */
export interface RunOptions {
  readonly replay: ReplayOptions;
  /** Embedded slices and benchmarks, in the order they are run; none for rows of one's own. */
  readonly names: readonly (SliceName | NamedBenchmark)[];
  readonly own?: OwnRows;
  /** File of a benchmark of one's own. */
  readonly file?: string;
  readonly choice: BenchmarkChoice;
  readonly maxPromptTokens?: number;
}

/** The text of `kvreplay run --help`. */
export function runHelp(summary: string): string {
  const rows = Object.entries<Suite>(suites).map(([name, { title, sets }]): [string, string] => [
    Object.hasOwn(sets, name) ? name : `${name}:all, ${name}:SET`,
    title,
  ]);
  return `${commandHelp(`run ${RUN_OPERAND}`, summary, RUN_OPTIONS)}

Benchmarks:
${twoColumns([...rows, [sliceNames.join(", "), "the embedded slices"]])}`;
}

/**
 * Parses the arguments of `kvreplay run`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the argument and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseRunOptions } from "./run_options.ts";
 *
 * const options = parseRunOptions(["gsm8k", "--shots", "4", "--limit", "10"]);
 * assertEquals([options?.names.length, options?.choice.shots], [1, 4]);
 * assertEquals(options?.replay.limit, 10);
 * ```
 */
export function parseRunOptions(args: readonly string[]): RunOptions | undefined {
  const parsed = parseArgs([...args], {
    string: [
      ...valueOptions,
      ...[
        "benchmark",
        "shots",
        "shots-from",
        "prompts",
        "max-prompt-tokens",
        "fields",
        "metric",
        "_",
      ] as const,
    ],
    boolean: ["stepwise", "audit", "cache", "quiet", "trust", "plain", "help"],
    negatable: ["cache"],
    collect: valueOptions,
    alias: { help: "h" },
    default: { cache: true },
    unknown: refuseUnknownOptions(RUN_OPTIONS),
  });
  if (parsed.help) return undefined;
  const values = new OptionValues<keyof typeof RUN_EXAMPLES>(parsed, RUN_EXAMPLES);
  const replay = replayOptionsOf(parsed, values, []);
  const own = ownRows(values);
  const names = parsed._.flatMap((text) => String(text).split(",")).map((name) => name.trim());
  if (own !== undefined && (names.length > 0 || replay.data === undefined)) {
    throw new UsageError(
      `--fields describes the rows of --data, without the name of a benchmark; got ${
        names.length > 0 ? names.join(",") : "no --data"
      }`,
    );
  }
  const file = values.text("benchmark");
  for (const [other, given] of [["--fields", own !== undefined], [names.join(","), names[0]]]) {
    if (file === undefined || !given) continue;
    throw new UsageError(
      `--benchmark ${file} takes the place of a benchmark; leave it out, or ${other}`,
    );
  }
  if (own === undefined && file === undefined && names.length === 0) {
    throw new UsageError(
      `The command run takes names of benchmarks, ${RUN_OPERAND}, and got none; there are ${
        [...new Set([...sliceNames, ...Object.keys(suites)])].join(", ")
      }`,
    );
  }
  const shots = values.integer("shots", 0);
  const benchmarks = [...new Set(names)].flatMap(named);
  const suited = benchmarks.filter((each) => typeof each !== "string");
  for (const each of suited) checkShots(each, shots);
  const maxPromptTokens = values.integer("max-prompt-tokens", 1);
  const texts = {
    data: replay.data,
    shotsFrom: values.text("shots-from"),
    prompts: values.text("prompts"),
    shots,
    maxNewTokens: replay.maxNewTokens,
    plain: parsed.plain,
  };
  if (texts.prompts !== undefined && !suited.some(({ suite }) => suite?.startsWith("longbench"))) {
    throw new UsageError(`--prompts ${texts.prompts} words sets of longbench; none is named`);
  }
  const shown = (each: NamedBenchmark) => shots ?? each.benchmark.shots?.usual ?? 0;
  if (texts.shotsFrom !== undefined && !(file !== undefined && shots) && !suited.some(shown)) {
    throw new UsageError(
      `--shots-from ${texts.shotsFrom} is where --shots are taken from; no benchmark here has any`,
    );
  }
  return {
    replay,
    names: benchmarks,
    ...(own === undefined ? {} : { own }),
    ...(file === undefined ? {} : { file }),
    choice: Object.fromEntries(
      Object.entries(texts).filter(([, value]) => value !== undefined),
    ) as BenchmarkChoice,
    ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
  };
}

/** A benchmark has worked examples or none, and no more than its authors use. */
function checkShots({ name, benchmark }: NamedBenchmark, shots = 0): void {
  const most = benchmark.shots?.most ?? 0;
  if (shots <= most) return;
  throw new UsageError(
    `--shots ${shots} is more than the ${most} worked examples that ${name} has at most`,
  );
}

function named(name: string): readonly (SliceName | NamedBenchmark)[] {
  if (isSliceName(name)) return [name];
  try {
    return benchmarksNamed(name);
  } catch (error) {
    if (!(error instanceof BenchmarkError)) throw error;
    // deno-lint-ignore error-law/visible -- the sentence names what was wrong
    throw new UsageError(error.message);
  }
}

function ownRows(values: OptionValues<keyof typeof RUN_EXAMPLES>): OwnRows | undefined {
  const text = values.text("fields");
  const metric = values.oneOf("metric", Object.keys(metrics) as MetricName[]);
  if (text === undefined) {
    if (metric === undefined) return undefined;
    throw new UsageError(`--metric ${metric} goes with --fields; a benchmark has its own metric`);
  }
  const pairs = Object.fromEntries(
    text.split(",").map((pair) => {
      const [what, field, ...more] = pair.split("=").map((part) => part.trim());
      if (!["prompt", "answer", "id"].includes(what!) || !field || more.length > 0) {
        throw new UsageError(
          `--fields has ${
            JSON.stringify(pair)
          }; expected prompt=F,answer=F, and id=F if there is one`,
        );
      }
      return [what!, field];
    }),
  );
  const { prompt, answer, id } = pairs;
  if (prompt === undefined || answer === undefined) {
    throw new UsageError(
      `--fields is ${JSON.stringify(text)}; expected both, as in --fields ${RUN_EXAMPLES.fields}`,
    );
  }
  return {
    fields: { prompt, answer, ...(id === undefined ? {} : { id }) },
    metric: metric ?? "qa_f1",
  };
}
