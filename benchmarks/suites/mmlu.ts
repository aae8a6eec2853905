/**
 * MMLU (Hendrycks et al., "Measuring Massive Multitask Language Understanding", ICLR 2021), and what is
 * written in its fields: `question`, `choices`, and `answer`, the number of the right choice from 0, or
 * its letter.
 * Asked as lm-evaluation-harness's generative MMLU (lm_eval/tasks/mmlu/generative); its exact match
 * stands beside the project's, which reads the letter of "(B) Paris" too.
 *
 * @module
 */
import { type Benchmark, best, type Row, type RowSource } from "../benchmark.ts";
import { BenchmarkError } from "../benchmark_error.ts";
import { numberField, textField, textsField } from "../fields.ts";
import { choiceMatch, letterAlone, LETTERS } from "../scorers/choice.ts";
import { shownValue } from "../shown_value.ts";

const source = (split: "test" | "dev"): RowSource => ({
  repo: "cais/mmlu",
  file: `all/${split}-00000-of-00001.parquet`,
  elsewhere: [`${split}.jsonl`, `${split}.parquet`],
});

function letterOf(row: Row): string {
  const { answer } = row;
  const choices = textsField(row, "choices").length;
  if (choices > LETTERS.length) {
    throw new BenchmarkError(`There are ${choices} choices; supported are ${LETTERS.length}`);
  }
  const letter = typeof answer === "string"
    ? answer.trim().toUpperCase()
    : LETTERS[numberField(row, "answer")];
  if (letter?.length === 1 && LETTERS.slice(0, choices).includes(letter)) return letter;
  throw new BenchmarkError(
    `The field "answer" is ${
      shownValue(answer)
    }; expected the number of one of ${choices} choices, ` +
      `from 0, or its letter`,
  );
}

function asked(row: Row): string {
  const choices = textsField(row, "choices").map((choice, i) => `${LETTERS[i]}. ${choice}\n`);
  return `${textField(row, "question").trim()}\n${choices.join("")}Answer:`;
}

/** Multiple choice. */
export const mmlu: Benchmark = {
  title: "Multiple choice in 57 subjects",
  source: source("test"),
  shots: { source: source("dev"), most: 5, usual: 0 },
  prompt: (row, { shots }) =>
    [...shots.map((shot) => `${asked(shot)} ${letterOf(shot)}\n\n`), asked(row)].join(""),
  answers: (row) => [letterOf(row)],
  maxNewTokens: 16,
  metric: "choice",
  score: best(choiceMatch),
  beside: { exact: best(letterAlone) },
  stop: /(?<=\S)\s*\n/,
  group: (row) => Object.hasOwn(row, "subject") ? textField(row, "subject") : "all",
  floor: 25,
};
