/**
 * What a dataset asks and how its replies are scored. The embedded slices use the first eight; the
 * others are LongBench's, for files in its fields.
 *
 * @module
 */
import { firstLine } from "./benchmark.ts";
import { BenchmarkError } from "./benchmark_error.ts";
import type { Example } from "./example.ts";
import { shownValue } from "./shown_value.ts";
import prompts from "./prompts.json" with { type: "json" };
import { chineseQaF1, chineseRougeL, loadChineseWords } from "./scorers/chinese.ts";
import { classification } from "./scorers/classification.ts";
import { codeSimilarity, firstLineOfCode } from "./scorers/code_similarity.ts";
import { finalAnswer, finalAnswerMatch } from "./scorers/final_answer.ts";
import { keyRecall } from "./scorers/key_recall.ts";
import { qaF1 } from "./scorers/qa_f1.ts";
import { chineseRetrieval, count, retrieval } from "./scorers/retrieval.ts";
import { rougeL } from "./scorers/rouge_l.ts";

/** One dataset. */
export interface Dataset {
  /** The user's message, with `{context}` and `{input}`. */
  readonly template: string;
  /** Score of a reply against one answer, 0..1. */
  score(reply: string, answer: string, example: Example): number;
  /** Whether only the reply's first line counts (LongBench, eval.py, `scorer`). */
  readonly firstLine?: true;
  /**
   * What an answer must be for a reply to match it, in words behind "it must"; absent where that cannot
   * be told before a run, so that only an empty answer is refused.
   */
  readonly answersMust?: string;
  /** A reply that gives an answer and nothing else; absent: the answer itself. */
  reply?(answer: string): string;
  /** Says what is wrong with an example whatever its answers. */
  flaw?(example: Example): string | undefined;
  /** Loads what `score` needs. */
  prepare?(): Promise<void>;
}

const templates = prompts.templates;

const passages = (template: string): Dataset => ({
  template,
  score: qaF1,
  answersMust: "have a word that is no article",
});
const needle = (template: string): Dataset => ({
  template,
  score: keyRecall,
  answersMust: "have a letter or a digit",
});
const stem = (template: string): Dataset => ({
  template,
  score: finalAnswerMatch,
  answersMust: 'be a number or one letter, which is what is looked for behind "answer is"',
  reply: (answer) => `The answer is ${answer}`,
});
const summary = (template: string): Dataset => ({ template, score: rougeL });
const chinese = (template: string, score: Dataset["score"]): Dataset => ({
  template,
  score,
  prepare: loadChineseWords,
});
const labels: Omit<Dataset, "template"> = {
  score: (reply, answer, { allClasses }) => classification(reply, answer, allClasses ?? []),
  firstLine: true,
  answersMust: 'be one of the labels in "all_classes", on one line',
  flaw: ({ allClasses }) =>
    allClasses === null ? 'the field "all_classes" must list the labels' : undefined,
};
const code: Dataset = {
  template: "Write the next line of this program. Reply with that line alone.\n\n{context}{input}",
  score: codeSimilarity,
  answersMust: "be a line of code",
  // What is behind that line is not looked at, and may be long.
  reply: (answer) => firstLineOfCode(answer, answer),
};

/** Tells an answer that is none of the choices, where those are letters. */
function noChoice({ answers, allClasses }: Example): string | undefined {
  const choices = (allClasses ?? []).map(finalAnswer);
  if (choices.length === 0 || !choices.every((c) => c !== undefined && /^[A-Z]$/.test(c))) {
    return undefined;
  }
  const wrong = answers.find((answer) => !choices.includes(finalAnswer(answer)));
  return wrong === undefined
    ? undefined
    : `the answer ${shownValue(wrong)} is none of the choices ${choices.join(", ")}`;
}

/** Every dataset by its name. */
export const datasets = {
  hotpotqa: passages(templates.hotpotqa),
  multifieldqa_en: passages(templates.multifieldqa_en),
  passage_retrieval_en: {
    template: templates.passage_retrieval_en,
    score: retrieval,
    answersMust: 'read "Paragraph N"',
  },
  passkey: needle(templates.passkey),
  niah_multikey: needle(templates.niah_multikey),
  line_retrieval: needle(templates.line_retrieval),
  stem_open: stem(templates.stem_open),
  stem_mc: { ...stem(templates.stem_mc), flaw: noChoice },
  "2wikimqa": passages(templates.hotpotqa),
  musique: passages(templates.hotpotqa),
  narrativeqa: passages(templates.multifieldqa_en),
  qasper: passages(templates.multifieldqa_en),
  triviaqa: {
    ...passages(templates.hotpotqa),
    firstLine: true,
    answersMust: "have a word that is no article in its first line, which alone is looked at",
  },
  passage_count: {
    template: "Some of these paragraphs are repeated. Count the different ones and reply with " +
      "the number alone.\n\n{context}\n\n{input}",
    score: count,
    answersMust: "be a number in digits",
  },
  trec: {
    template: "Name the type of the last question, as in the examples.\n\n{context}\n{input}",
    ...labels,
  },
  lcc: code,
  "repobench-p": code,
  gov_report: summary("Summarize this report on one page.\n\n{context}\n\nSummary:"),
  qmsum: summary(
    "Here is the transcript of a meeting. Answer the question about it in a few sentences.\n\n" +
      "{context}\n\nQuestion: {input}",
  ),
  multi_news: summary("Summarize these news articles on one page.\n\n{context}\n\nSummary:"),
  samsum: {
    ...summary("Summarize the last dialogue, as in the examples.\n\n{context}\n\n{input}"),
    firstLine: true,
  },
  multifieldqa_zh: chinese(
    "根据下面的文章回答问题，只写答案。\n\n{context}\n\n问题：{input}",
    chineseQaF1,
  ),
  dureader: chinese("根据下面的文章回答问题。\n\n{context}\n\n问题：{input}", chineseRougeL),
  vcsum: chinese("总结下面的会议记录。\n\n{context}\n\n总结：", chineseRougeL),
  lsht: { template: "照例子写出最后一条新闻的类别。\n\n{context}\n{input}", ...labels },
  passage_retrieval_zh: {
    template: "下面的摘要出自哪一段？只回答段落和编号。\n\n{context}\n\n摘要：{input}",
    score: chineseRetrieval,
    answersMust: 'read "段落N"',
  },
} as const satisfies Readonly<Record<string, Dataset>>;

/** Name of a dataset, as an example's `dataset` field has it. */
export type DatasetName = keyof typeof datasets;

/**
 * The dataset of an example.
 *
 * @param where file and line, the start of an error message
 * @throws {BenchmarkError} when the dataset is unknown or the example could never be scored
 */
export function datasetOf(example: Example, where = `example ${example.id}`): Dataset {
  if (!Object.hasOwn(datasets, example.dataset)) {
    throw new BenchmarkError(
      `${where}: unknown dataset "${example.dataset}"; there are templates for ${
        Object.keys(datasets).join(", ")
      }`,
    );
  }
  const dataset: Dataset = datasets[example.dataset as DatasetName];
  const flaw = dataset.flaw?.(example);
  if (flaw !== undefined) throw new BenchmarkError(`${where}: ${flaw}`);
  return dataset;
}

/**
 * Refuses an example with an answer that no reply can match: even a reply that gives it scores 0.
 *
 * @param where file and line, the start of an error message
 * @throws {BenchmarkError} naming the answer and what it must be, and when the dataset is unknown
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { checkAnswers } from "./datasets.ts";
 * import { BenchmarkError } from "./benchmark_error.ts";
 * import { parseExample } from "./example.ts";
 *
 * const example = parseExample(
 *   '{"input":"How many?","context":"a b","answers":["two"],"length":2,' +
 *     '"dataset":"passage_count","language":"en","all_classes":null,"_id":"x"}',
 *   "x.jsonl:1",
 * );
 * assertThrows(
 *   () => checkAnswers(example, "x.jsonl:1"),
 *   BenchmarkError,
 *   'x.jsonl:1: no reply can match the answer "two"; it must be a number in digits',
 * );
 * ```
 */
export function checkAnswers(example: Example, where: string): void {
  const dataset = datasetOf(example, where);
  const { answersMust } = dataset;
  const matches = (answer: string) => {
    if (answer.trim() === "" || answersMust === undefined) return answer.trim() !== "";
    const reply = countedPart(dataset, dataset.reply?.(answer) ?? answer);
    return dataset.score(reply, answer, example) > 0;
  };
  const wrong = example.answers.find((answer) => !matches(answer));
  if (wrong === undefined) return;
  throw new BenchmarkError(
    `${where}: no reply can match the answer ${shownValue(wrong)}; it must ${
      answersMust ?? "not be empty"
    }`,
  );
}

/** The part of a reply that is scored. */
function countedPart({ firstLine: first }: Dataset, reply: string): string {
  return first ? firstLine(reply) : reply;
}

/**
 * The user's message of an example; the chat turn around it is the model's own template.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseExample } from "./example.ts";
 * import { renderPrompt } from "./datasets.ts";
 *
 * const example = parseExample(
 *   '{"input":"Q?","context":"line a: {input}","answers":["1"],"length":3,' +
 *     '"dataset":"line_retrieval","language":"en","all_classes":null,"_id":"x"}',
 *   "x.jsonl:1",
 * );
 * assertEquals(renderPrompt(example), "Below is a record of lines.\n\nline a: {input}\n\nQ?");
 * ```
 */
export function renderPrompt(example: Example): string {
  return filled(datasetOf(example).template, example);
}

/** A template with the fields of an example, in one pass: braces inside a context are text. */
export function filled(template: string, example: Pick<Example, "context" | "input">): string {
  return template.replace(
    /\{(context|input)\}/g,
    (_, field) => example[field as "context" | "input"],
  );
}

/** Loads what the scores of these datasets need; unknown ones are told when they are read. */
export async function prepareScores(names: Iterable<string>): Promise<void> {
  for (const name of new Set(names)) {
    if (!Object.hasOwn(datasets, name)) continue;
    await (datasets[name as DatasetName] as Dataset).prepare?.();
  }
}

/**
 * Score of a reply, 0..1: the best over the example's answers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadSlice, scoreReply } from "@kvreplay/kvreplay/benchmarks";
 *
 * const [example] = await loadSlice("needle");
 * const [answer] = example!.answers;
 * assertEquals(scoreReply(example!, `The special number is ${answer}.`), 1);
 * assertEquals(scoreReply(example!, "I do not know."), 0);
 * ```
 */
export function scoreReply(example: Example, reply: string): number {
  const dataset = datasetOf(example);
  const counted = countedPart(dataset, reply);
  return Math.max(...example.answers.map((answer) => dataset.score(counted, answer, example)));
}
