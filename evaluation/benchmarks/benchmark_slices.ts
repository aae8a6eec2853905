/**
 * Benchmarks by name, as slices that can be replayed: rows are found and read, and become questions.
 * Nothing here asks the network.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import {
  type Given,
  type Row,
  type RowSource,
  tasksOf,
  type WaitedTask,
} from "../../benchmarks/benchmark.ts";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import { isRowFile, readRows } from "../../benchmarks/rows/read_rows.ts";
import type { NamedBenchmark } from "../../benchmarks/suites.ts";
import { hubCacheFolder } from "../../engine/checkpoint/hub/cache_folder.ts";
import { cachedDataset } from "../../engine/checkpoint/hub/dataset.ts";
import { sha256 } from "../../engine/digest.ts";
import { commandText } from "../../engine/command_text.ts";
import type { ContainedBenchmark } from "./contained_benchmark.ts";
import { readWording, WORDING_COMMIT, wordingAt, wordingPlace } from "./wording.ts";

/** What a user may say of benchmarks. */
export interface BenchmarkChoice {
  /** File or folder of the user's that holds the rows; absent for the hub's cache. */
  readonly data?: string;
  /** File of the user's with worked examples. */
  readonly shotsFrom?: string;
  /** Worked examples before each question; absent for the benchmark's own number. */
  readonly shots?: number;
  /** File of the user's with the wording of prompts, by the name of the set. */
  readonly prompts?: string;
  /** Whether prompts are sent without a chat turn, whatever the model has. */
  readonly plain?: boolean;
  readonly maxNewTokens?: number;
}

/** Where the rows and the wording of a slice came from, for who reads its results. */
export interface BenchmarkOrigin {
  /** File of the rows. */
  readonly data: string;
  /** Commit of the data set, where it is the hub's. */
  readonly data_commit: string | null;
  readonly metric: string;
  readonly shots: number;
  /** Whether a chat turn is put around prompts where the model has one. */
  readonly chat: boolean;
  /** Whose wording: the project's, the authors' at a commit, or that of a file. */
  readonly prompts: string;
  /** Hash of the user's own file that defines the benchmark, where there is one. */
  readonly benchmark_sha256?: string;
}

/** A benchmark, ready to be replayed. */
export interface BenchmarkSlice {
  readonly name: string;
  readonly examples: readonly WaitedTask[];
  readonly maxNewTokens: number;
  /** Score of the reference, 0..100, up to which it says nothing about a policy. */
  readonly floor?: number;
  readonly origin: BenchmarkOrigin;
  /** SHA-256 of what its prompts and scores are made from: rows, worked examples, wording, file. */
  readonly digest: string;
}

/**
 * Reads a benchmark.
 *
 * @param several whether others are read from the same place: a file can hold one of them only
 * @throws {UserError} when its rows are nowhere, naming what would bring them
 * @throws {BenchmarkError} naming file and row of what is wrong
 */
export async function benchmarkSlice(
  named: NamedBenchmark,
  choice: BenchmarkChoice,
  several: boolean,
): Promise<BenchmarkSlice> {
  const { name, set, benchmark } = named;
  const place = await rowsPlace(named, benchmark.source, choice.data, several);
  const rows = ofSet(await readRows(place.path, place.inside), named, place.path);
  const shots = await shotsOf(named, choice, several);
  const { wording, whose } = await wordingOf(named, choice.prompts);
  const given: Given = { shots, ...(wording === undefined ? {} : { wording }) };
  const tasks = await tasksOf(benchmark, set, rows, given, place.path);
  const chat = benchmark.chat !== false && choice.plain !== true;
  return {
    name,
    examples: chat ? tasks : tasks.map((task) => ({ ...task, chat })),
    maxNewTokens: choice.maxNewTokens ?? benchmark.maxNewTokens,
    ...(benchmark.floor === undefined ? {} : { floor: benchmark.floor }),
    origin: {
      data: place.path,
      data_commit: place.commit ?? null,
      metric: benchmark.metric,
      shots: shots.length,
      chat,
      prompts: whose,
    },
    digest: await digestOf([rows, shots, wording]),
  };
}

/**
 * Reads a benchmark of the user's own.
 *
 * @throws {UserError} when it has no rows, or there are fewer worked examples than are asked for
 * @throws {BenchmarkError} naming the file of what is wrong
 */
export async function ownSlice(
  benchmark: ContainedBenchmark,
  { data, shots: count = 0, shotsFrom, plain, maxNewTokens }: BenchmarkChoice,
): Promise<BenchmarkSlice> {
  const { name, facts } = benchmark;
  if (data === undefined && !benchmark.hasRows) {
    throw new UserError(`Benchmark ${name} has no rows(); give its rows with --data`);
  }
  if (count > 0 && shotsFrom === undefined) {
    throw new UserError(`--shots ${count} takes worked examples of ${name} from --shots-from`);
  }
  const rows = data === undefined ? await benchmark.rows() : await readRows(data);
  const worked = count === 0 ? [] : await readRows(shotsFrom!);
  if (worked.length < count) {
    throw new BenchmarkError(`${shotsFrom} has ${worked.length} rows; --shots asks for ${count}`);
  }
  const tasks = await benchmark.tasks(rows, worked.slice(0, count));
  const chat = facts.chat !== false && plain !== true;
  return {
    name,
    examples: chat ? tasks : tasks.map((task) => ({ ...task, chat })),
    maxNewTokens: maxNewTokens ?? facts.maxNewTokens,
    ...(facts.floor === undefined ? {} : { floor: facts.floor }),
    origin: {
      data: data ?? "the benchmark's own",
      data_commit: null,
      metric: facts.metric,
      shots: count,
      chat,
      prompts: name,
      benchmark_sha256: benchmark.sha256,
    },
    digest: await digestOf([rows, worked.slice(0, count), benchmark.sha256]),
  };
}

/** Whole numbers of 64 bits, which JSON has none of, are texts. */
async function digestOf(parts: readonly unknown[]): Promise<string> {
  return await sha256(
    JSON.stringify(parts, (_, value) => typeof value === "bigint" ? `${value}n` : value),
  );
}

interface RowsPlace {
  readonly path: string;
  readonly inside?: string;
  readonly commit?: string;
}

/** Rows of LongBench's other sets in the same file are left out. */
function ofSet(rows: readonly Row[], { suite, set }: NamedBenchmark, path: string): readonly Row[] {
  if (suite !== "longbench" && suite !== "longbench-e") return rows;
  const kept = rows.filter((row) => {
    const { dataset } = row;
    return typeof dataset !== "string" || dataset === set || dataset === `${set}_e`;
  });
  if (kept.length > 0) return kept;
  throw new BenchmarkError(
    `${path} has no row of ${set}: its ${rows.length} rows name another in the field "dataset"`,
  );
}

async function rowsPlace(
  { name, suite, set }: Pick<NamedBenchmark, "name" | "suite" | "set">,
  source: RowSource | undefined,
  data: string | undefined,
  several: boolean,
  { option }: { readonly option: "--data" | "--shots-from" } = { option: "--data" },
): Promise<RowsPlace> {
  if (data !== undefined) return await placeIn(data, source, name, set, several);
  if (source === undefined) {
    throw new UserError(`The rows of ${name} are in no data set of the hub: give them with --data`);
  }
  const { commit, paths: [path] } = await cachedDataset(
    source.repo,
    [source.file],
    hubCacheFolder(),
    `"${commandText(`fetch ${suite ?? name}`)}" brings it there, or give your own with ${option}`,
  );
  return { path: path!, commit, ...(source.inside === undefined ? {} : { inside: source.inside }) };
}

/** The rows in a file or a folder of the user's. */
async function placeIn(
  data: string,
  source: RowSource | undefined,
  name: string,
  set: string,
  several: boolean,
): Promise<RowsPlace> {
  const info = await Deno.stat(data).catch(() => undefined);
  if (info === undefined) throw new UserError(`There is no file or folder ${data} for --data`);
  const inside = source?.inside;
  if (!info.isDirectory) {
    const isArchive = /\.zip$/i.test(data);
    if (several && !isArchive) {
      throw new UserError(
        `The file ${data} holds the rows of one benchmark; give a folder for several`,
      );
    }
    if (isArchive) return { path: data, inside: inside ?? `${set}.jsonl` };
    return { path: data };
  }
  const last = (path: string) => path.split("/").at(-1)!;
  const names = [
    ...(inside === undefined ? [] : [inside, last(inside)]),
    ...(source?.elsewhere ?? []),
    ...(source === undefined ? [] : [source.file, last(source.file)]),
    ...[`${set}.jsonl`, `${set}.parquet`, `${set}/validation.jsonl`, `${set}/test.jsonl`],
  ];
  for (const candidate of names) {
    const path = join(data, candidate);
    if (!(await Deno.stat(path).then((found) => found.isFile, () => false))) continue;
    return { path, ...(/\.zip$/i.test(path) && inside !== undefined ? { inside } : {}) };
  }
  throw new UserError(
    `The folder ${data} has no rows of ${name}: expected one of ${[...new Set(names)].join(", ")}`,
  );
}

async function shotsOf(
  named: NamedBenchmark,
  { shots: count, shotsFrom, data }: BenchmarkChoice,
  several: boolean,
): Promise<readonly Row[]> {
  const { benchmark: { shots } } = named;
  const wanted = count ?? shots?.usual ?? 0;
  if (wanted === 0) return [];
  if (shots === undefined) {
    throw new UserError(`${named.name} has no worked examples; leave out --shots ${wanted}`);
  }
  if (wanted > shots.most) {
    throw new UserError(
      `${named.name} has up to ${shots.most} worked examples, and --shots asks for ${wanted}`,
    );
  }
  // A file of questions holds no worked ones that are not asked too.
  const isFolder = data !== undefined && !isRowFile(data);
  const from = shotsFrom ?? (isFolder ? data : undefined);
  const place = await rowsPlace(named, shots.source, from, several && shotsFrom === undefined, {
    option: "--shots-from",
  });
  const rows = await readRows(place.path, place.inside);
  if (rows.length >= wanted) return rows.slice(0, wanted);
  throw new BenchmarkError(`${place.path} has ${rows.length} rows; --shots asks for ${wanted}`);
}

async function wordingOf(
  { suite, set }: NamedBenchmark,
  file: string | undefined,
): Promise<{ wording?: string; whose: string }> {
  const own = { whose: "this project's" };
  const given = file === undefined ? undefined : await readWording(file);
  // What else is run has a wording of its own.
  if (suite !== "longbench" && suite !== "longbench-e") return own;
  if (given === undefined) {
    const wording = await wordingAt(wordingPlace());
    if (wording === undefined || !Object.hasOwn(wording, set)) return own;
    return { wording: wording[set]!, whose: `THUDM/LongBench at ${WORDING_COMMIT}` };
  }
  if (Object.hasOwn(given, set)) return { wording: given[set]!, whose: file! };
  throw new UserError(
    `${file} has no prompt for ${set}; expected one beside ${Object.keys(given).join(", ")}`,
  );
}
