/**
 * What runs in the same realm as a benchmark of the user's: it asks it, and turns its answers into text.
 * Nothing here is trusted by the evaluator.
 *
 * @module
 */
import type { Row } from "../../benchmarks/benchmark.ts";
import type { BenchmarkFile } from "../../benchmarks/benchmark_file.ts";
import type { exportProblem, policyOf } from "../../sandbox/default_export.ts";
import type { describeThrown, sealRealm } from "../../sandbox/realm_seal.ts";
import type { encodeValue } from "../../sandbox/reply_value.ts";
import type { RealmGuest } from "../../sandbox/worker_main.ts";

/** What the realm's code is given; all of it comes as text from this project. */
export interface BenchmarkRealmParts {
  readonly seal: typeof sealRealm;
  readonly describe: typeof describeThrown;
  readonly encode: typeof encodeValue;
  readonly exportProblem: typeof exportProblem;
  readonly policyOf: typeof policyOf;
  /** Names of the methods that a benchmark may have, and of its fields. */
  readonly methods: readonly string[];
  readonly fields: readonly string[];
  /** Global names that stay. */
  readonly globals: readonly string[];
}

/** A question, as it is sent. */
export type BenchmarkQuestion =
  | { readonly ask: "start" }
  | { readonly ask: "rows" }
  | { readonly ask: "shots"; readonly shots: readonly Row[] }
  | { readonly ask: "tasks"; readonly rows: readonly Row[] }
  | {
    readonly ask: "score";
    readonly reply: string;
    readonly answers: readonly string[];
    readonly row: Row;
    /** Whether the other scores are asked for, instead of the first. */
    readonly beside: boolean;
  };

/** Prepares the realm and returns what runs a benchmark in it. Refers to nothing outside itself. */
export function benchmarkRealm(
  parts: BenchmarkRealmParts,
): (exports: { readonly default?: unknown }) => RealmGuest {
  const { parse, stringify } = JSON;
  parts.seal(parts.globals);

  return (exports) => {
    let reply: string | undefined;
    let benchmark: BenchmarkFile | undefined;
    let shots: readonly Row[] = [];
    /** The call that the benchmark is in, for the sentence that says where it threw. */
    let call = "";

    function start(): unknown {
      call = "Its constructor";
      const real = parts.policyOf(exports.default) as Record<string, unknown>;
      benchmark = real as unknown as BenchmarkFile;
      call = "Reading its fields";
      const fields: Record<string, unknown> = {};
      for (const name of parts.fields) {
        if (real[name] !== undefined) fields[name] = real[name];
      }
      const has = parts.methods.filter((name) => typeof real[name] === "function");
      const misused = parts.methods.find((name) => real[name] !== undefined && !has.includes(name));
      return { fields, has, ...(misused === undefined ? {} : { misused }) };
    }

    function task(row: Row): unknown {
      call = "prompt()";
      const prompt = benchmark!.prompt(row, { shots });
      call = "answers()";
      const answers = benchmark!.answers(row);
      call = "id()";
      const id = benchmark!.id?.(row);
      call = "group()";
      const group = benchmark!.group?.(row);
      return [prompt, answers, id, group];
    }

    function answerTo(question: BenchmarkQuestion): unknown {
      if (question.ask === "start") return start();
      if (question.ask === "rows") {
        call = "rows()";
        return benchmark!.rows!();
      }
      if (question.ask === "shots") {
        shots = question.shots;
        return null;
      }
      if (question.ask === "tasks") return question.rows.map(task);
      const { beside, row, answers } = question;
      call = beside ? "beside()" : "score()";
      return benchmark![beside ? "beside" : "score"]!(question.reply, answers, row);
    }

    return {
      put(text) {
        reply = undefined;
        call = "";
        try {
          const question = parse(text!) as BenchmarkQuestion;
          const problem = question.ask === "start"
            ? parts.exportProblem(exports.default)
            : undefined;
          reply = problem === undefined
            ? `A${stringify(parts.encode(answerTo(question)))}`
            : `L${problem}`;
        } catch (error) {
          reply = `T${stringify([call, parts.describe(error)])}`;
        }
      },
      take: () => reply,
    };
  };
}
