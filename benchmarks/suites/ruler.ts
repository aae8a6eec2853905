/**
 * RULER (Hsieh et al., "RULER: What's the Real Context Size of Your Long-Context Language Models?",
 * 2024), on the JSON lines that its own scripts write for a tokenizer and a length (NVIDIA/RULER,
 * scripts/data/prepare.py; reply lengths and metrics: scripts/data/synthetic/constants.py and
 * scripts/eval/synthetic/constants.py). The template is in the rows already.
 *
 * @module
 */
import type { Benchmark } from "../benchmark.ts";
import { answersField, textField } from "../fields.ts";
import { anyFound, shareFound } from "../scorers/string_match.ts";

/** Longest reply of each task, in tokens. */
const LENGTHS = {
  niah_single_1: 128,
  niah_single_2: 128,
  niah_single_3: 128,
  niah_multikey_1: 128,
  niah_multikey_2: 128,
  niah_multikey_3: 128,
  niah_multivalue: 128,
  niah_multiquery: 128,
  vt: 30,
  cwe: 120,
  fwe: 50,
  qa_1: 32,
  qa_2: 32,
} as const;

/** One of RULER's tasks. */
export type RulerTask = keyof typeof LENGTHS;

/** The tasks of RULER. */
export const rulerTasks = Object.keys(LENGTHS) as readonly RulerTask[];

/** A task of RULER. */
export function ruler(task: RulerTask): Benchmark {
  const isQuestion = task.startsWith("qa_");
  return {
    title: `RULER, ${task}`,
    // Whatever of "answer_prefix" its version writes apart begins the reply.
    prompt: (row) =>
      textField(row, "input") +
      (Object.hasOwn(row, "answer_prefix") ? textField(row, "answer_prefix") : ""),
    answers: (row) => answersField(row, "outputs"),
    maxNewTokens: LENGTHS[task],
    metric: isQuestion ? "string_match_part" : "string_match_all",
    score: isQuestion ? anyFound : shareFound,
    chat: false,
  };
}
