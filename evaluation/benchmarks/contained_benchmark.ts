/**
 * A benchmark file of the user's, in a contained process: what it is, its rows and its questions.
 *
 * @module
 */
import { best, type Row, type WaitedTask } from "../../benchmarks/benchmark.ts";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import type { BenchmarkFile } from "../../benchmarks/benchmark_file.ts";
import { isMetricName, type MetricName, metrics } from "../../benchmarks/suites/fields.ts";
import { sha256 } from "../../engine/digest.ts";
import { type LaunchChild, launchChild } from "../../sandbox/child.ts";
import { ChildLink } from "../../sandbox/child_link.ts";
import { limitsWith, type SandboxLimits } from "../../sandbox/limits.ts";
import { answerOf } from "../../sandbox/reply_answer.ts";
import { RunTime } from "../../sandbox/run_time.ts";
import { SandboxError } from "../../sandbox/sandbox_error.ts";
import { shown } from "../../sandbox/shown.ts";
import {
  endingOf,
  type FileKind,
  fileName,
  MODULE_ENDINGS,
  readUserFile,
} from "../../policies/user_file.ts";
import { BENCHMARK_METHODS, benchmarkGuest } from "./benchmark_guest.ts";
import type { BenchmarkQuestion } from "./benchmark_realm.ts";

const BENCHMARK: FileKind = { what: "Benchmark", endings: MODULE_ENDINGS };

/** Rows that a file may bring, and bytes of rows that go into one question. */
const MOST_ROWS = 100_000;
const BATCH_BYTES = 2 ** 20;
/** Texts that end a reply, and the longest of them. */
const MOST_STOPS = 16;
const LONGEST_STOP = 256;
/** Longest reply that can be asked for, in tokens. */
const MOST_NEW_TOKENS = 2 ** 20;

/** What a benchmark is, checked. */
type Facts =
  & Pick<BenchmarkFile, "maxNewTokens" | "metric" | "chat" | "truncate" | "floor">
  & { readonly stop?: RegExp };

type Method = typeof BENCHMARK_METHODS[number];

/** A benchmark in its process. */
export class ContainedBenchmark implements AsyncDisposable {
  readonly #link: ChildLink;
  readonly #time: RunTime;
  #facts!: Facts;
  #has: ReadonlySet<Method> = new Set();

  private constructor(
    /** Name under which results are reported. */
    readonly name: string,
    /** Hash of its text. */
    readonly sha256: string,
    private readonly limits: SandboxLimits,
    launch: LaunchChild,
  ) {
    this.#time = new RunTime(limits);
    this.#link = new ChildLink(() => launch(limits, benchmarkGuest), limits);
  }

  /**
   * Opens a file. Hold it with `await using`: its process keeps the program from ending.
   *
   * @throws {UserError} for a file that is not there, is no module, or is no benchmark
   */
  static async open(
    path: string,
    some: Partial<SandboxLimits> = {},
    launch: LaunchChild = launchChild,
  ): Promise<ContainedBenchmark> {
    const ending = endingOf(path, BENCHMARK);
    const limits = limitsWith(some);
    const bytes = await readUserFile(path, BENCHMARK.what, limits.messageBytes);
    const name = fileName(path, MODULE_ENDINGS).slice(0, 64);
    const benchmark = new ContainedBenchmark(name, await sha256(bytes.slice()), limits, launch);
    try {
      await benchmark.#start(new TextDecoder().decode(bytes), ending.endsWith("ts") ? "ts" : "js");
      return benchmark;
    } catch (error) {
      await benchmark.close();
      throw error;
    }
  }

  async #start(source: string, language: "ts" | "js"): Promise<void> {
    const started = await this.#guarded(async () =>
      answerOf(await this.#link.hello({ source, language }), "its fields", this.limits, "benchmark")
    );
    const { fields, has, misused } = Object(started);
    if (BENCHMARK_METHODS.includes(misused)) {
      throw this.#wrong(`${misused} is no function`);
    }
    this.#has = new Set(
      BENCHMARK_METHODS.filter((name) => Array.isArray(has) && has.includes(name)),
    );
    for (const name of ["prompt", "answers"] as const) {
      if (!this.#has.has(name)) throw this.#wrong(`it has no ${name}(row); expected one`);
    }
    this.#facts = this.#checked(Object(fields));
  }

  #checked(fields: Readonly<Record<string, unknown>>): Facts {
    const { maxNewTokens, metric, stop = [], chat, truncate, floor } = fields;
    const must = (ok: boolean, name: string, expected: string) => {
      if (!ok) throw this.#wrong(`${name} is ${shown(fields[name])}; expected ${expected}`);
    };
    const within = (value: unknown, least: number, most: number) =>
      typeof value === "number" && value >= least && value <= most;
    must(
      Number.isInteger(maxNewTokens) && within(maxNewTokens, 1, MOST_NEW_TOKENS),
      "maxNewTokens",
      `a whole number from 1 to ${MOST_NEW_TOKENS}`,
    );
    must(
      typeof metric === "string" && /^[\w.-]{1,64}$/.test(metric),
      "metric",
      "a name of up to 64 letters, digits, dots, dashes and underscores",
    );
    if (!this.#has.has("score")) {
      must(isMetricName(metric as string), "metric", "one of the project's, or a method score");
    }
    must(
      Array.isArray(stop) && stop.length <= MOST_STOPS &&
        stop.every((text) =>
          typeof text === "string" && text.length > 0 && text.length <= LONGEST_STOP
        ),
      "stop",
      `up to ${MOST_STOPS} texts`,
    );
    must(chat === undefined || chat === false, "chat", "false, or nothing");
    must(truncate === undefined || truncate === "middle", "truncate", '"middle", or nothing');
    must(floor === undefined || within(floor, 0, 100), "floor", "a number from 0 to 100");
    const texts = (stop as readonly string[]).map((text) => RegExp.escape(text));
    return {
      maxNewTokens: maxNewTokens as number,
      metric: metric as string,
      ...(texts.length === 0 ? {} : { stop: new RegExp(texts.join("|")) }),
      ...(chat === false ? { chat } : {}),
      ...(truncate === "middle" ? { truncate } : {}),
      ...(floor === undefined ? {} : { floor: floor as number }),
    };
  }

  /** Longest reply, metric, whether there is a chat turn, score of guessing. */
  get facts(): Omit<Facts, "stop" | "truncate"> {
    return this.#facts;
  }

  /** Whether it brings its rows. */
  get hasRows(): boolean {
    return this.#has.has("rows");
  }

  /** The rows that it brings. */
  async rows(): Promise<readonly Row[]> {
    const rows = await this.#ask({ ask: "rows" }, "rows()");
    if (Array.isArray(rows) && rows.length <= MOST_ROWS && rows.every(isRow)) return rows;
    throw this.#wrong(`rows() returned ${shown(rows)}; expected up to ${MOST_ROWS} objects`);
  }

  /**
   * The questions of rows.
   *
   * @param shots rows that are worked before each
   */
  async tasks(rows: readonly Row[], shots: readonly Row[]): Promise<WaitedTask[]> {
    if (shots.length > 0) await this.#ask({ ask: "shots", shots: shots.map(plain) }, "the shots");
    const tasks: WaitedTask[] = [];
    for (const batch of batches(rows.map(plain))) {
      const what = `prompt() of ${batch.length} rows`;
      const made = await this.#ask({ ask: "tasks", rows: batch }, what);
      if (!Array.isArray(made) || made.length !== batch.length) {
        throw this.#wrong(`${what} is spoilt`);
      }
      for (const [i, one] of made.entries()) tasks.push(this.#task(batch[i]!, one, tasks.length));
    }
    return tasks;
  }

  #task(row: Row, made: unknown, index: number): WaitedTask {
    const [prompt, given, id = `${this.name}-${index}`, group] = Array.isArray(made) ? made : [];
    const answers: unknown = Array.isArray(given) ? given : [given];
    const where = `row ${index + 1}`;
    for (const [name, text] of Object.entries({ prompt, id, group: group ?? "" })) {
      if (typeof text === "string") continue;
      throw this.#wrong(`${where}: ${name}() returned ${shown(text)}; expected a text`);
    }
    if (!isTexts(answers) || answers.length === 0) {
      throw this.#wrong(
        `${where}: answers() returned ${shown(given)}; expected a text, or a list of them`,
      );
    }
    const { stop, chat, truncate, metric } = this.#facts;
    const ask = (reply: string, beside: boolean) =>
      this.#ask({ ask: "score", reply, answers, row, beside }, beside ? "beside()" : "score()");
    return {
      id,
      dataset: this.name,
      prompt,
      chat: chat !== false,
      ...(stop === undefined ? {} : { stop }),
      ...(truncate === undefined ? {} : { truncate }),
      ...(group === undefined ? {} : { group }),
      answers,
      // What it returns is checked where every score is.
      score: this.#has.has("score")
        ? async (reply) => await ask(reply, false) as number
        : (reply) => best(metrics[metric as MetricName])(reply, answers),
      scores: this.#has.has("beside")
        ? async (reply) => await ask(reply, true) as Record<string, number>
        : () => ({}),
    };
  }

  async #ask(question: BenchmarkQuestion, what: string): Promise<unknown> {
    const text = JSON.stringify(question);
    return await this.#guarded(async () => {
      const reply = await this.#time.within(
        this.limits.stepMs,
        (ms) => this.#link.ask(text, ms, `No answer to ${what}`),
      );
      return answerOf(reply, what, this.limits, "benchmark");
    });
  }

  /** Says what went wrong in the process as a failure of the benchmark. */
  async #guarded<V>(work: () => Promise<V>): Promise<V> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error;
      throw new BenchmarkError(`Benchmark ${this.name}: ${error.message}`, { cause: error });
    }
  }

  #wrong(what: string): BenchmarkError {
    return new BenchmarkError(`Benchmark ${this.name}: ${what}`);
  }

  /** Ends its process. */
  close(): Promise<void> {
    return this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function isRow(row: unknown): row is Row {
  return typeof row === "object" && row !== null && !Array.isArray(row);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

/** A row as JSON has it: whole numbers of 64 bits are numbers. */
function plain(row: Row): Row {
  return JSON.parse(
    JSON.stringify(row, (_key, value) => typeof value === "bigint" ? Number(value) : value),
  );
}

/** Rows in lists of which none is long, unless one row alone is. */
function* batches(rows: readonly Row[]): Generator<Row[]> {
  let batch: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    const { length } = JSON.stringify(row);
    if (batch.length > 0 && bytes + length > BATCH_BYTES) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(row);
    bytes += length;
  }
  if (batch.length > 0) yield batch;
}
