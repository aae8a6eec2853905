/**
 * LongBench and LongBench-E (Bai et al., "LongBench: A Bilingual, Multitask Benchmark for Long Context
 * Understanding", ACL 2024; THUDM/LongBench, LongBench/pred.py, eval.py and config): its sets, reply
 * lengths, metrics and rules. The wording of its prompts is its authors' and not part of this project:
 * `deno task fetch longbench` brings it, else the project's own is used.
 *
 * @module
 */
import { type Benchmark, best, type Row } from "../benchmark.ts";
import { type Dataset, type DatasetName, datasetOf, datasets, filled } from "../datasets.ts";
import { type Example, exampleOf } from "../example.ts";
import { firstLine } from "../benchmark.ts";

/** Where the rows are: one archive for all sets. */
export const LONGBENCH_REPO = "THUDM/LongBench";

/** Longest reply of each set, in tokens (config/dataset2maxlen.json), and its metric. */
const SETS = {
  narrativeqa: [128, "qa_f1"],
  qasper: [128, "qa_f1"],
  multifieldqa_en: [64, "qa_f1"],
  multifieldqa_zh: [64, "qa_f1_zh"],
  hotpotqa: [32, "qa_f1"],
  "2wikimqa": [32, "qa_f1"],
  musique: [32, "qa_f1"],
  dureader: [128, "rouge_zh"],
  gov_report: [512, "rouge"],
  qmsum: [512, "rouge"],
  multi_news: [512, "rouge"],
  vcsum: [512, "rouge_zh"],
  trec: [64, "classification"],
  triviaqa: [32, "qa_f1"],
  samsum: [128, "rouge"],
  lsht: [64, "classification"],
  passage_count: [32, "count"],
  passage_retrieval_en: [32, "retrieval"],
  passage_retrieval_zh: [32, "retrieval_zh"],
  lcc: [64, "code_sim"],
  "repobench-p": [64, "code_sim"],
} as const satisfies Partial<Record<DatasetName, readonly [number, string]>>;

/** One of LongBench's sets. */
export type LongbenchSet = keyof typeof SETS;

/** The sets of LongBench, in its authors' order. */
export const longbenchSets = Object.keys(SETS) as readonly LongbenchSet[];

/** The sets of LongBench-E. */
export const longbenchESets = [
  ...["qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "gov_report", "multi_news", "trec"],
  ...["triviaqa", "samsum", "passage_count", "passage_retrieval_en", "lcc", "repobench-p"],
] as readonly LongbenchSet[];

/** Sets that are prompted with without a chat turn (pred.py, `get_pred`): they go on with examples. */
const WITHOUT_CHAT: readonly LongbenchSet[] = [
  ...["trec", "triviaqa", "samsum", "lsht", "lcc", "repobench-p"] as const,
];

/**
 * A set of LongBench, or of LongBench-E, which counts by length too.
 *
 * @param even whether it is LongBench-E's
 */
export function longbench(set: LongbenchSet, even: boolean): Benchmark {
  const dataset: Dataset = datasets[set];
  const [maxNewTokens, metric] = SETS[set];
  const exampleIn = (row: Row): Example => {
    const example = { ...exampleOf(row, "LongBench's fields"), dataset: set };
    datasetOf(example, "LongBench's fields");
    return example;
  };
  return {
    title: `LongBench${even ? "-E" : ""}, ${set}`,
    source: {
      repo: LONGBENCH_REPO,
      file: "data.zip",
      inside: `data/${set}${even ? "_e" : ""}.jsonl`,
    },
    prompt: (row, { wording }) => filled(wording ?? dataset.template, exampleIn(row)),
    answers: (row) => exampleIn(row).answers,
    maxNewTokens,
    metric,
    score: (reply, answers, row) => {
      const example = exampleIn(row);
      const counted = dataset.firstLine ? firstLine(reply) : reply;
      return best((text, answer) => dataset.score(text, answer, example))(counted, answers);
    },
    // The authors end these at a line feed that is not the first token.
    ...(set === "samsum" ? { stop: /(?<=[^\n]\s*)\n/ } : {}),
    ...(WITHOUT_CHAT.includes(set) ? { chat: false } : {}),
    truncate: "middle",
    id: (row) => exampleIn(row).id,
    ...(even ? { group: (row) => lengthGroup(exampleIn(row).length) } : {}),
    ...(dataset.prepare === undefined ? {} : { prepare: dataset.prepare }),
  };
}

/** LongBench-E's groups by words (eval.py, `scorer_e`). */
function lengthGroup(words: number): string {
  return words < 4000 ? "0-4k" : words < 8000 ? "4-8k" : "8k+";
}
