/**
 * Benchmarks that are run by name: `NAME`, or `NAME:SET` of one that has several sets.
 *
 * @module
 */
import type { Benchmark } from "./benchmark.ts";
import { BenchmarkError } from "./benchmark_error.ts";
import { gsm8k } from "./suites/gsm8k.ts";
import { longbench, longbenchESets, longbenchSets } from "./suites/longbench.ts";
import { mmlu } from "./suites/mmlu.ts";
import { ruler, rulerTasks } from "./suites/ruler.ts";

/** A benchmark, or several sets under one name. */
export interface Suite {
  /** One line for a list. */
  readonly title: string;
  /** Its sets by name; one that has the suite's own name is all there is. */
  readonly sets: Readonly<Record<string, () => Benchmark>>;
}

const alone = (name: string, benchmark: Benchmark): Suite => ({
  title: benchmark.title,
  sets: { [name]: () => benchmark },
});

const several = <Name extends string>(
  title: string,
  names: readonly Name[],
  open: (name: Name) => Benchmark,
): Suite => ({ title, sets: Object.fromEntries(names.map((name) => [name, () => open(name)])) });

/** Every suite by name. */
export const suites = {
  longbench: several(
    "LongBench: long contexts in English and Chinese, 21 sets",
    longbenchSets,
    (set) => longbench(set, false),
  ),
  "longbench-e": several(
    "LongBench-E: 13 of them, with even numbers of lengths",
    longbenchESets,
    (set) => longbench(set, true),
  ),
  gsm8k: alone("gsm8k", gsm8k),
  ruler: several("RULER's synthetic tasks, from files of its own scripts", rulerTasks, ruler),
  mmlu: alone("mmlu", mmlu),
} as const satisfies Readonly<Record<string, Suite>>;

/** Name of a suite. */
export type SuiteName = keyof typeof suites;

/** Whether `name` is that of a suite. */
export function isSuiteName(name: string): name is SuiteName {
  return Object.hasOwn(suites, name);
}

/** A set of a suite, by the name that it is reported under. */
export interface NamedBenchmark {
  /** `NAME` or `NAME:SET`. */
  readonly name: string;
  /** Absent for rows of one's own. */
  readonly suite?: SuiteName;
  readonly set: string;
  readonly benchmark: Benchmark;
}

/**
 * What a name stands for: `gsm8k`, `longbench:hotpotqa`, or every set with `longbench:all`.
 *
 * @throws {BenchmarkError} for a name that stands for nothing
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { benchmarksNamed } from "./suites.ts";
 *
 * assertEquals(benchmarksNamed("longbench-e:all").length, 13);
 * assertEquals(benchmarksNamed("gsm8k")[0]!.benchmark.metric, "flexible");
 * ```
 */
export function benchmarksNamed(name: string): readonly NamedBenchmark[] {
  const [suite, set, ...more] = name.split(":");
  if (!isSuiteName(suite!) || more.length > 0) {
    throw new BenchmarkError(
      `Unknown benchmark ${JSON.stringify(name)}; there are ${Object.keys(suites).join(", ")}`,
    );
  }
  const { sets }: Suite = suites[suite];
  const open = (one: string): NamedBenchmark => ({
    name: one === suite ? suite : `${suite}:${one}`,
    suite,
    set: one,
    benchmark: sets[one]!(),
  });
  if (Object.hasOwn(sets, suite) && set === undefined) return [open(suite)];
  if (set === "all") return Object.keys(sets).map(open);
  if (set !== undefined && Object.hasOwn(sets, set)) return [open(set)];
  throw new BenchmarkError(
    `${JSON.stringify(name)} names no set of ${suite}; give ${suite}:SET, with all or one of ${
      Object.keys(sets).join(", ")
    }`,
  );
}
