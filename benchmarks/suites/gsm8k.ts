/**
 * GSM8K (Cobbe et al., "Training Verifiers to Solve Math Word Problems", 2021), asked and matched as
 * lm-evaluation-harness does (lm_eval/tasks/gsm8k/gsm8k.yaml): its `flexible-extract` is the score, its
 * `strict-match` and the project's own reading of a conclusion stand beside it.
 *
 * @module
 */
import { type Benchmark, best, type Row, type RowSource } from "../benchmark.ts";
import { BenchmarkError } from "../benchmark_error.ts";
import { textField } from "../fields.ts";
import { finalAnswerMatch } from "../scorers/final_answer.ts";
import { flexibleMatch, strictMatch } from "../scorers/gsm8k.ts";
import { shownValue } from "../shown_value.ts";

const source = (split: "test" | "train"): RowSource => ({
  repo: "openai/gsm8k",
  file: `main/${split}-00000-of-00001.parquet`,
  elsewhere: [`${split}.jsonl`, `${split}.parquet`],
});

/** The number that a solution ends with. */
function numberOf(solution: string): string {
  return solution.split("#### ").at(-1)!.trim();
}

/** The solution of a row, with its last line `#### N`. */
function solutionOf(row: Row): string {
  const solution = textField(row, "answer");
  if (/^#### \S+$/m.test(solution)) return solution;
  throw new BenchmarkError(
    `The field "answer" is ${shownValue(solution)}; expected a last line such as "#### 42"`,
  );
}

/** GSM8K. */
export const gsm8k: Benchmark = {
  title: "Grade-school math, worked step by step",
  source: source("test"),
  shots: { source: source("train"), most: 8, usual: 0 },
  prompt: (row, { shots }) =>
    [
      ...shots.map((shot) =>
        `Question: ${textField(shot, "question")}\nAnswer: ${solutionOf(shot)}\n\n`
      ),
      `Question: ${textField(row, "question")}\nAnswer:`,
    ].join(""),
  answers: (row) => [solutionOf(row)],
  maxNewTokens: 256,
  metric: "flexible",
  score: best(flexibleMatch),
  beside: {
    strict: best(strictMatch),
    conclusion: best((reply, answer) => finalAnswerMatch(reply, numberOf(answer))),
  },
  stop: /Question:|<\/s>|<\|im_end\|>/,
};
