/**
 * Questions of one's own, in a file of any fields.
 *
 * @module
 */
import { type Benchmark, best, type Row } from "../benchmark.ts";
import { answersField, textField, textsField } from "../fields.ts";
import { choiceMatch } from "../scorers/choice.ts";
import { codeSimilarity } from "../scorers/code_similarity.ts";
import { finalAnswerMatch } from "../scorers/final_answer.ts";
import { flexibleMatch, strictMatch } from "../scorers/gsm8k.ts";
import { qaF1 } from "../scorers/qa_f1.ts";
import { rougeL } from "../scorers/rouge_l.ts";
import { anyFound } from "../scorers/string_match.ts";

/** Metrics by name: the score of a reply against one answer, 0..1. */
export const metrics = {
  qa_f1: qaF1,
  rouge: rougeL,
  contains: (reply: string, answer: string) => anyFound(reply, [answer]),
  conclusion: finalAnswerMatch,
  flexible: flexibleMatch,
  strict: strictMatch,
  choice: choiceMatch,
  code_sim: codeSimilarity,
} as const satisfies Readonly<Record<string, (reply: string, answer: string) => number>>;

/** Name of a metric. */
export type MetricName = keyof typeof metrics;

/** Whether `name` is that of a metric. */
export function isMetricName(name: string): name is MetricName {
  return Object.hasOwn(metrics, name);
}

/** Which field of a row is what. */
export interface FieldNames {
  readonly prompt: string;
  readonly answer: string;
  /** Absent: rows are called by their number. */
  readonly id?: string;
}

/** Name of rows: that of their file, without its ending and as one word. */
export function nameOfRows(fileName: string): string {
  return fileName.replace(/\.\w+$/, "").replace(/[^\w.-]+/g, "_").slice(0, 64) || "rows";
}

/** Longest reply to questions of one's own, in tokens. */
const MAX_NEW_TOKENS = 64;

/** A benchmark of rows whose fields are named. */
export function ownFields(names: FieldNames, metric: MetricName): Benchmark {
  const { id } = names;
  return {
    title: "Questions of one's own",
    prompt: (row) => textField(row, names.prompt),
    answers: (row) => answersField(row, names.answer),
    maxNewTokens: MAX_NEW_TOKENS,
    metric,
    score: best(metrics[metric]),
    ...(id === undefined ? {} : { id: (row: Row) => textsField(row, id).join(" ") }),
  };
}
