/**
 * The frozen slices that come with the project, and files of the user's in the same fields.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { BenchmarkError } from "./benchmark_error.ts";
import { type DataLimits, DEFAULT_DATA_LIMITS } from "./data_limits.ts";
import type { Example } from "./example.ts";
import { ExampleReader } from "./example_reader.ts";
import { fileLines } from "./file_lines.ts";
import { linesOf } from "./json_line.ts";

/**
 * One embedded slice.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Slice, slices } from "@kvreplay/kvreplay/benchmarks";
 *
 * const line = ({ title, maxNewTokens }: Slice) => `${title} (${maxNewTokens} tokens)`;
 * assertEquals(line(slices.needle), "Keys hidden in filler text and in records (32 tokens)");
 * ```
 */
export interface Slice {
  /** What it measures, for tables and help texts. */
  readonly title: string;
  /** File name below `slices/`. */
  readonly file: string;
  /** Longest answer, in tokens, unless the user says otherwise. */
  readonly maxNewTokens: number;
  /** SHA-256 of the file, hexadecimal; checked whenever it is read. */
  readonly sha256: string;
}

/**
 * Every embedded slice by name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { slices } from "@kvreplay/kvreplay/benchmarks";
 *
 * const longest = Object.values(slices).map(({ maxNewTokens }) => maxNewTokens);
 * assertEquals(longest, [24, 32, 64]);
 * ```
 */
export const slices = {
  longbench: {
    title: "Question answering and passage retrieval over long contexts",
    file: "longbench_slice.jsonl",
    maxNewTokens: 24,
    sha256: "75276f0157c02b0e45b8f8dcbaddcaf42de6a64f4881044de26a2df5cc54e8b7",
  },
  needle: {
    title: "Keys hidden in filler text and in records",
    file: "needle_slice.jsonl",
    maxNewTokens: 32,
    sha256: "8910aa0e47869e665c053d78f0bebb504eae93a7e094269165913d5b1817ccb9",
  },
  reasoning: {
    title: "STEM word problems, worked step by step",
    file: "reasoning_slice.jsonl",
    maxNewTokens: 64,
    sha256: "f1bf48d3482777d4b2e90de690c88566b51d895beeb18c190197410d5f66000b",
  },
} as const satisfies Record<string, Slice>;

/**
 * Name of an embedded slice.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadSlice, type SliceName } from "@kvreplay/kvreplay/benchmarks";
 *
 * // Mean length of a slice's contexts, in words.
 * const words = async (name: SliceName) => {
 *   const lengths = (await loadSlice(name)).map(({ length }) => length);
 *   return Math.round(lengths.reduce((a, b) => a + b) / lengths.length);
 * };
 * assertEquals([await words("needle"), await words("reasoning")], [1166, 329]);
 * ```
 */
export type SliceName = keyof typeof slices;

/** The files' texts: imported, so that they come from wherever this module does. */
const texts: Readonly<Record<SliceName, () => Promise<{ readonly default: string }>>> = {
  longbench: () => import("./slices/longbench_slice.jsonl", { with: { type: "text" } }),
  needle: () => import("./slices/needle_slice.jsonl", { with: { type: "text" } }),
  reasoning: () => import("./slices/reasoning_slice.jsonl", { with: { type: "text" } }),
};

/**
 * Names of the embedded slices, in the order they are run.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadSlice, sliceNames } from "@kvreplay/kvreplay/benchmarks";
 *
 * const examples = await Promise.all(sliceNames.map(loadSlice));
 * assertEquals(examples.map(({ length }) => length), [32, 32, 32]);
 * ```
 */
export const sliceNames: readonly SliceName[] = Object.keys(slices) as SliceName[];

/**
 * Whether `name` is an embedded slice.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isSliceName, loadDataFile, loadSlice } from "@kvreplay/kvreplay/benchmarks";
 *
 * // What a user names is a slice or a file.
 * const load = (name: string) => isSliceName(name) ? loadSlice(name) : loadDataFile(name);
 * assertEquals((await load("needle")).length, 32);
 * ```
 */
export function isSliceName(name: string): name is SliceName {
  return Object.hasOwn(slices, name);
}

/**
 * Reads an embedded slice.
 *
 * @throws {BenchmarkError} when the file is not the frozen one
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadSlice } from "@kvreplay/kvreplay/benchmarks";
 *
 * const datasets = Map.groupBy(await loadSlice("needle"), ({ dataset }) => dataset);
 * assertEquals([...datasets.keys()], ["niah_multikey", "passkey", "line_retrieval"]);
 * ```
 */
export async function loadSlice(name: SliceName): Promise<Example[]> {
  const slice = slices[name];
  const bytes = new TextEncoder().encode((await texts[name]()).default);
  const got = createHash("sha256").update(bytes).digest("hex");
  if (got !== slice.sha256) {
    throw new BenchmarkError(
      `${slice.file} has SHA-256 ${got}, but the frozen slice has ${slice.sha256}: restore the file, or replay ` +
        `your own with --data`,
    );
  }
  return parseExamples(bytes, slice.file);
}

/**
 * Reads a file of the user's.
 *
 * @param limits those that are not the defaults
 * @throws {BenchmarkError} naming file and line of what is wrong
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadDataFile } from "@kvreplay/kvreplay/benchmarks";
 *
 * const path = await Deno.makeTempFile({ suffix: ".jsonl" });
 * const row = { input: "What is the pass key?", context: "The pass key is 42.", answers: ["42"] };
 * const more = { length: 9, dataset: "passkey", language: "en", all_classes: null, _id: "mine-0" };
 * await Deno.writeTextFile(path, JSON.stringify({ ...row, ...more }));
 * const [example] = await loadDataFile(path);
 * assertEquals([example!.id, example!.answers], ["mine-0", ["42"]]);
 * await Deno.remove(path);
 * ```
 */
export async function loadDataFile(
  path: string,
  limits: Partial<DataLimits> = {},
): Promise<Example[]> {
  const all = { ...DEFAULT_DATA_LIMITS, ...limits };
  const reader = new ExampleReader(path, all);
  try {
    for await (const line of fileLines(path, all.lineBytes)) reader.add(line);
  } catch (error) {
    throw error instanceof BenchmarkError ? error : unreadable(path, error);
  }
  return reader.examples();
}

function unreadable(path: string, error: unknown): BenchmarkError {
  const reason = error instanceof Deno.errors.NotFound
    ? `no such file at ${resolve(path)}`
    : error instanceof Deno.errors.IsADirectory
    ? "is a directory"
    : (error as Error).message;
  return new BenchmarkError(`Cannot read ${path}: ${reason}; expected a file of JSON lines`);
}

/**
 * Reads examples, one JSON object a line; blank lines are left out.
 *
 * @param name of the file, for messages
 * @throws {BenchmarkError} naming file and line of what is wrong
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { BenchmarkError, parseExamples } from "@kvreplay/kvreplay/benchmarks";
 *
 * const row = { input: "Key?", context: "The key is 42.", answers: ["42"], length: 5 };
 * const line = JSON.stringify({
 *   ...row,
 *   ...{ dataset: "passkey", language: "en", all_classes: null, _id: "a" },
 * });
 * const bytes = new TextEncoder().encode(`${line}\n\n${line}\n`);
 * assertThrows(
 *   () => parseExamples(bytes, "mine.jsonl"),
 *   BenchmarkError,
 *   'mine.jsonl:3: the "_id" "a" is already that of line 1',
 * );
 * ```
 */
export function parseExamples(bytes: Uint8Array, name: string): Example[] {
  const reader = new ExampleReader(name, DEFAULT_DATA_LIMITS);
  for (const line of linesOf(bytes)) reader.add(line);
  return reader.examples();
}
