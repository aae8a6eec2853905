/**
 * The benchmarks of a sweep: embedded slices by name, and whatever else the commands `run`, `niah` and
 * `ppl` replay.
 *
 * @module
 */
import type { NeedleKindName } from "../benchmarks/niah/needle_kinds.ts";
import type { SliceName } from "../benchmarks/slices.ts";
import type { FieldNames, MetricName } from "../benchmarks/suites/fields.ts";

/** What may be said of every benchmark that is made of rows; paths begin where the user stands. */
export interface RowChoice {
  readonly data?: string;
  readonly max_new_tokens?: number;
  readonly max_prompt_tokens?: number;
}

/** What may be said of one whose rows become prompts. */
export interface PromptChoice extends RowChoice {
  readonly shots?: number;
  readonly shots_from?: string;
  readonly plain?: boolean;
}

/** A benchmark by name: `gsm8k`, `longbench:hotpotqa`; of an embedded slice, a file in its place. */
export interface NamedEntry extends PromptChoice {
  readonly name: string;
  readonly benchmark: string;
  /** File with the wording of prompts. */
  readonly prompts?: string;
}

/** Rows of the user's own whose fields are named. */
export interface FieldsEntry extends RowChoice {
  readonly name: string;
  readonly fields: FieldNames;
  readonly metric: MetricName;
  readonly data: string;
  readonly plain?: boolean;
}

/** A benchmark file of the user's. */
export interface FileEntry extends PromptChoice {
  readonly name: string;
  readonly file: string;
}

/** A grid of needles of one kind. */
export interface NeedlesEntry {
  readonly name: string;
  readonly niah: NeedleKindName;
  /** In tokens, from the shortest. */
  readonly lengths: readonly number[];
  /** In per cent, from the start. */
  readonly depths: readonly number[];
  readonly samples: number;
  readonly haystack?: string;
  readonly max_new_tokens?: number;
}

/** A text that is read in windows. */
export interface TextEntry {
  readonly name: string;
  /** Its file. */
  readonly ppl: string;
  readonly window: number;
  readonly from: number;
  readonly every: number;
}

/** A benchmark that is no embedded slice, every absent field filled in that has a default. Plain JSON. */
export type BenchmarkEntry = NamedEntry | FieldsEntry | FileEntry | NeedlesEntry | TextEntry;

/** A benchmark of a sweep. */
export type SweepBenchmark = SliceName | BenchmarkEntry;

/** The name that a benchmark's cells have. */
export function benchmarkName(benchmark: SweepBenchmark): string {
  return typeof benchmark === "string" ? benchmark : benchmark.name;
}

/** Whether it runs code of the user's. */
export function hasFile(benchmark: SweepBenchmark): benchmark is FileEntry {
  return typeof benchmark === "object" && "file" in benchmark;
}

/** A file or folder that a benchmark reads. */
export interface EntryFile {
  readonly path: string;
  /** Whether it is code. */
  readonly code?: true;
}

/** Files and folders that a benchmark names. */
export function filesOf(benchmark: SweepBenchmark): EntryFile[] {
  if (typeof benchmark === "string") return [];
  const { file, data, shots_from, prompts, haystack, ppl } = benchmark as Partial<
    Record<"file" | "data" | "shots_from" | "prompts" | "haystack" | "ppl", string>
  >;
  return [
    ...(file === undefined ? [] : [{ path: file, code: true } as const]),
    ...[data, shots_from, prompts, haystack, ppl].flatMap((path) =>
      path === undefined ? [] : [{ path }]
    ),
  ];
}
