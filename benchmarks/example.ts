/**
 * One question of a slice, in LongBench's own fields, read from a line of JSON and checked field by
 * field.
 *
 * @module
 */
import { BenchmarkError } from "./benchmark_error.ts";
import { type DataLimits, DEFAULT_DATA_LIMITS } from "./data_limits.ts";
import { jsonText } from "./json_line.ts";
import { shownValue } from "./shown_value.ts";

/**
 * One question with its context and its answers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Example, scoreReply } from "@kvreplay/kvreplay/benchmarks";
 *
 * const example: Example = {
 *   ...{ id: "mine-0", dataset: "passkey", input: "What is the pass key?" },
 *   ...{ context: "The pass key is 42.", answers: ["42"] },
 *   ...{ length: 9, language: "en", allClasses: null, depth: 0 },
 * };
 * assertEquals(scoreReply(example, "It is 42."), 1);
 * ```
 */
export interface Example {
  /** LongBench's `_id`. */
  readonly id: string;
  /** Decides the prompt and the score: see `renderPrompt` and `scoreReply`. */
  readonly dataset: string;
  /** The question. */
  readonly input: string;
  /** The text in which the answer lies. */
  readonly context: string;
  /** Right answers, at least one; the best scored one counts. */
  readonly answers: readonly string[];
  /** Words of context and question, as the file states it. */
  readonly length: number;
  /** Language code, as the file states it. */
  readonly language: string;
  /** The labels of a classification or multiple-choice dataset. */
  readonly allClasses: readonly string[] | null;
  /** Where the answer lies in the context, 0 (start) to 1 (end), for needle slices. */
  readonly depth?: number;
}

type Kind = "string" | "number" | "strings" | "strings or null";

const FIELDS = {
  input: "string",
  context: "string",
  answers: "strings",
  length: "number",
  dataset: "string",
  language: "string",
  all_classes: "strings or null",
  _id: "string",
} as const satisfies Record<string, Kind>;

const DESCRIPTION = {
  string: "a string",
  number: "a number",
  strings: "an array of strings",
  "strings or null": "an array of strings or null",
} as const satisfies Record<Kind, string>;

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((v) => typeof v === "string");
}

function isOfKind(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case "string":
      return typeof value === "string";
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    case "strings":
      return isStrings(value);
    case "strings or null":
      return value === null || isStrings(value);
  }
}

/**
 * Reads one line.
 *
 * @param where file and line, the start of every error message
 * @param limits those that are not the defaults
 * @throws {BenchmarkError} when the line is not a JSON object, lacks a field or has one of a wrong type
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { BenchmarkError } from "./benchmark_error.ts";
 * import { parseExample } from "./example.ts";
 *
 * const line = '{"input":"What is the pass key?","context":"The pass key is 42.",' +
 *   '"answers":["42"],"length":9,"dataset":"passkey","language":"en",' +
 *   '"all_classes":null,"_id":"a-0"}';
 * assertEquals(parseExample(line, "a.jsonl:1").answers, ["42"]);
 * assertThrows(() => parseExample("{}", "a.jsonl:2"), BenchmarkError, "a.jsonl:2");
 * ```
 */
export function parseExample(
  line: string,
  where: string,
  { answers = DEFAULT_DATA_LIMITS.answers }: Partial<DataLimits> = {},
): Example {
  return exampleOf(jsonText(line, where), where, answers);
}

/**
 * The example that an object with LongBench's fields holds.
 *
 * @param where the start of every error message
 * @param mostAnswers that it may have
 * @throws {BenchmarkError} when it is no object, lacks a field or has one of a wrong type
 */
export function exampleOf(row: unknown, where: string, mostAnswers = Infinity): Example {
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    throw new BenchmarkError(`${where}: expected a JSON object, got ${shownValue(row)}`);
  }
  const fields = row as Record<string, unknown>;
  for (const [name, kind] of Object.entries(FIELDS)) {
    if (!Object.hasOwn(fields, name)) {
      throw new BenchmarkError(
        `${where}: the field "${name}" is missing; expected ${Object.keys(FIELDS).join(", ")}`,
      );
    }
    if (!isOfKind(fields[name], kind)) {
      throw new BenchmarkError(
        `${where}: the field "${name}" must be ${DESCRIPTION[kind]}, got ${
          shownValue(fields[name])
        }`,
      );
    }
  }
  // Checked above, field by field.
  const checked = fields as {
    input: string;
    context: string;
    answers: string[];
    length: number;
    dataset: string;
    language: string;
    all_classes: string[] | null;
    _id: string;
  };
  if (checked.answers.length === 0) {
    throw new BenchmarkError(`${where}: the field "answers" must hold at least one answer`);
  }
  if (checked.answers.length > mostAnswers) {
    throw new BenchmarkError(
      `${where}: the field "answers" holds ${checked.answers.length} of them; expected up to ` +
        `${mostAnswers}, unless --data-answers says otherwise`,
    );
  }
  if (checked._id === "") throw new BenchmarkError(`${where}: the field "_id" must not be empty`);
  const depth = fields["depth"] ?? undefined;
  if (depth !== undefined && (typeof depth !== "number" || !(depth >= 0 && depth <= 1))) {
    throw new BenchmarkError(
      `${where}: the field "depth" must be a number from 0 to 1, got ${shownValue(depth)}`,
    );
  }
  return {
    id: checked._id,
    dataset: checked.dataset,
    input: checked.input,
    context: checked.context,
    answers: checked.answers,
    length: checked.length,
    language: checked.language,
    allClasses: checked.all_classes,
    ...(depth === undefined ? {} : { depth }),
  };
}
