/**
 * The field `benchmarks` of a sweep's file: names, and mappings with the words of the commands `run`,
 * `niah` and `ppl`.
 *
 * @module
 */
import { BenchmarkError } from "../benchmarks/benchmark_error.ts";
import { ascending, gridDepths, gridLength, MOST_TOKENS } from "../benchmarks/niah/grid_axes.ts";
import {
  type NeedleKindName,
  needleKindNames,
  needleKinds,
} from "../benchmarks/niah/needle_kinds.ts";
import { isSliceName, type SliceName, sliceNames } from "../benchmarks/slices.ts";
import { benchmarksNamed, suites } from "../benchmarks/suites.ts";
import {
  type FieldNames,
  type MetricName,
  metrics,
  nameOfRows,
} from "../benchmarks/suites/fields.ts";
import { UserError } from "../errors.ts";
import { fileName, MODULE_ENDINGS } from "../policies/user_file.ts";
import { shown } from "../sandbox/shown.ts";
import {
  type BenchmarkEntry,
  benchmarkName,
  type FieldsEntry,
  type FileEntry,
  type NamedEntry,
  type NeedlesEntry,
  type PromptChoice,
  type RowChoice,
  type SweepBenchmark,
  type TextEntry,
} from "./benchmark_entry.ts";
import {
  Fields,
  integer,
  listOf,
  mapping,
  oneOf,
  oneText,
  type Reader,
  yesOrNo,
} from "./fields.ts";

/**
 * Reads the field `benchmarks`: names and mappings, each of which may stand for several benchmarks.
 *
 * @throws {UserError} naming what is wrong, and two benchmarks of one name
 */
export const sweepBenchmarks: Reader<readonly SweepBenchmark[]> = (value, where) => {
  const given = Array.isArray(value) ? value : [value];
  if (given.length === 0) {
    throw new UserError(`${where}: is an empty list; expected at least one entry`);
  }
  const found = new Map<string, SweepBenchmark>();
  for (const benchmark of given.flatMap((one) => benchmarksOf(one, where))) {
    const name = benchmarkName(benchmark);
    const before = found.get(name);
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(benchmark)) {
      throw new UserError(`${where}: two are called ${shown(name)}; give one another name`);
    }
    found.set(name, benchmark);
  }
  return [...found.values()];
};

function benchmarksOf(value: unknown, where: string): readonly SweepBenchmark[] {
  if (typeof value === "string") {
    return isSliceName(value) ? [value] : named(new Fields({ benchmark: value }, where));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UserError(`${where}: is ${shown(value)}; expected a name, or a mapping`);
  }
  const kind = Object.keys(KINDS).find((field) => field in value);
  if (kind === undefined) {
    throw new UserError(
      `${where}: is ${shown(value)}; expected a mapping with one of ${
        Object.keys(KINDS).join(", ")
      }`,
    );
  }
  return KINDS[kind as keyof typeof KINDS](
    new Fields(value as Record<string, unknown>, `${where}, ${kind}`),
  );
}

/** What a mapping is, by the field that only it has. */
const KINDS = { file: ofFile, fields: ofFields, niah: needles, ppl: text, benchmark: named };

function named(fields: Fields): BenchmarkEntry[] {
  const { where } = fields;
  const benchmark = fields.take("benchmark", oneText, "");
  const name = fields.take("name", ownName, undefined);
  const prompts = fields.some("prompts", oneText);
  const choice = { ...promptChoice(fields), ...prompts };
  fields.done("a benchmark by name");
  if (isSliceName(benchmark)) return [sliceData(benchmark, name, choice, where)];
  const all = namedSets(benchmark, where);
  if (name !== undefined && all.length > 1) {
    throw new UserError(
      `${where}: ${shown(benchmark)} are ${all.length} benchmarks, and one name; leave name out`,
    );
  }
  return all.map((one) => ({ name: name ?? one, benchmark: one, ...choice }));
}

/** Names of what a name stands for. */
function namedSets(name: string, where: string): string[] {
  try {
    return benchmarksNamed(name).map((benchmark) => benchmark.name);
  } catch (error) {
    if (!(error instanceof BenchmarkError)) throw error;
    const others = Object.keys(suites).join(", ");
    throw new UserError(
      `${where}: is ${shown(name)}; expected ${
        sliceNames.join(", ")
      }, ${others}, or a set as NAME:SET`,
    );
  }
}

/** A file in the fields of the embedded slices. */
function sliceData(
  benchmark: SliceName,
  name: string | undefined,
  choice: Omit<NamedEntry, "name" | "benchmark">,
  where: string,
): NamedEntry {
  const { data, max_new_tokens, ...others } = choice;
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new UserError(
      `${where}: ${benchmark} has the field ${other}; an embedded slice has data, max_new_tokens, name`,
    );
  }
  if (data === undefined) {
    throw new UserError(
      `${where}: is a mapping of ${benchmark} without data; expected its name alone, or a file`,
    );
  }
  return {
    name: name ?? nameOfFile(data),
    benchmark,
    data,
    ...(max_new_tokens === undefined ? {} : { max_new_tokens }),
  };
}

function ofFields(fields: Fields): [FieldsEntry] {
  const { where } = fields;
  const names = fields.take("fields", fieldNames, undefined)!;
  const name = fields.take("name", ownName, undefined);
  const metric = fields.take("metric", oneOf(Object.keys(metrics) as MetricName[]), "qa_f1");
  const choice = rowChoice(fields);
  const plain = fields.some("plain", yesOrNo);
  fields.done("a benchmark of rows");
  const { data } = choice;
  if (data === undefined) {
    throw new UserError(
      `${where}: has fields ${shown(names)} and no data; expected the rows' file`,
    );
  }
  return [{ name: name ?? nameOfFile(data), fields: names, metric, ...choice, data, ...plain }];
}

function ofFile(fields: Fields): [FileEntry] {
  const file = fields.take("file", moduleFile, "");
  const name = fields.take("name", ownName, undefined);
  const choice = promptChoice(fields);
  fields.done("a benchmark file");
  return [{ name: name ?? fileName(file, MODULE_ENDINGS).slice(0, 64), file, ...choice }];
}

function needles(fields: Fields): NeedlesEntry[] {
  const { where } = fields;
  const asked = fields.take("niah", listOf(oneOf(["all", ...needleKindNames])), []);
  const kinds = asked.includes("all") ? needleKindNames : asked as readonly NeedleKindName[];
  const name = fields.take("name", ownName, undefined);
  const grid = {
    lengths: ascending(fields.take("lengths", listOf(gridTokens), [1024, 2048, 4096])),
    depths: ascending(fields.take("depths", listOf(depths), [gridDepths("0:100:10")!]).flat()),
    samples: fields.take("samples", integer(1, 10_000), 1),
  };
  const haystack = fields.some("haystack", oneText);
  const longest = fields.some("max_new_tokens", integer(1));
  fields.done("a needle grid");
  const needsOne = kinds.find((kind) => !("piece" in needleKinds[kind]));
  if (haystack.haystack === undefined && needsOne !== undefined) {
    throw new UserError(
      `${where}: needles of kind ${needsOne} are hidden in a text; expected haystack, its file or folder`,
    );
  }
  if (name !== undefined && kinds.length > 1) {
    throw new UserError(`${where}: ${kinds.length} kinds have one name; leave name out`);
  }
  return kinds.map((niah) => ({
    name: name ?? `niah:${niah}`,
    niah,
    ...grid,
    ...haystack,
    ...longest,
  }));
}

function text(fields: Fields): [TextEntry] {
  const { where } = fields;
  const ppl = fields.take("ppl", oneText, "");
  const name = fields.take("name", ownName, undefined);
  const window = fields.take("window", integer(2), 512);
  const from = fields.take("from", integer(1), Math.floor(window / 2));
  const every = fields.take("every", integer(1), 1);
  fields.done("a text");
  if (from >= window) {
    throw new UserError(`${where}: from is ${from}; expected less than the window's ${window}`);
  }
  return [{ name: name ?? nameOfFile(ppl), ppl, window, from, every }];
}

function rowChoice(fields: Fields): RowChoice {
  return {
    ...fields.some("data", oneText),
    ...fields.some("max_new_tokens", integer(1)),
    ...fields.some("max_prompt_tokens", integer(1)),
  };
}

function promptChoice(fields: Fields): PromptChoice {
  return {
    ...rowChoice(fields),
    ...fields.some("shots", integer(0)),
    ...fields.some("shots_from", oneText),
    ...fields.some("plain", yesOrNo),
  };
}

/** A name of one's own; that of an embedded slice is taken. */
const ownName: Reader<string | undefined> = (value, where) => {
  if (typeof value === "string" && /^[\w.:-]{1,64}$/.test(value) && !isSliceName(value)) {
    return value;
  }
  throw new UserError(
    `${where}: is ${
      shown(value)
    }; expected up to 64 letters, digits, dots, colons, dashes and underscores, and no embedded slice`,
  );
};

const moduleFile: Reader<string> = (value, where) => {
  if (typeof value === "string" && MODULE_ENDINGS.some((ending) => value.endsWith(ending))) {
    return value;
  }
  throw new UserError(
    `${where}: is ${shown(value)}; expected a file that ends in ${MODULE_ENDINGS.join(", ")}`,
  );
};

const fieldNames: Reader<FieldNames | undefined> = (value, where) => {
  const fields = new Fields(mapping(value, where), where);
  const [prompt, answer] = (["prompt", "answer"] as const).map((name) =>
    fields.take(name, oneText, "")
  );
  const id = fields.some("id", oneText);
  fields.done("a row");
  if (prompt !== "" && answer !== "") return { prompt: prompt!, answer: answer!, ...id };
  throw new UserError(`${where}: is ${shown(value)}; expected both prompt and answer`);
};

const gridTokens: Reader<number> = (value, where) => {
  const tokens = gridLength(String(value));
  if (tokens !== undefined) return tokens;
  throw new UserError(
    `${where}: is ${shown(value)}; expected tokens from 1 to ${MOST_TOKENS}, such as 4k`,
  );
};

const depths: Reader<readonly number[]> = (value, where) => {
  const found = gridDepths(String(value));
  if (found !== undefined) return found;
  throw new UserError(
    `${where}: is ${shown(value)}; expected per cent from 0 to 100, such as 50 or 0:100:10`,
  );
};

/** The name of a file as one word, without its folder and ending, on every system the same. */
function nameOfFile(path: string): string {
  return nameOfRows(path.replace(/^.*[\\/]/, ""));
}
