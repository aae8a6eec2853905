/**
 * Scores of Chinese replies, whose words are found first (LongBench, metrics.py, `qa_f1_zh_score` and
 * `rouge_zh_score`; words as jieba 0.42 cuts them).
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import { SPACES, wordF1 } from "./qa_f1.ts";
import { rougeL } from "./rouge_l.ts";

/** jieba's dictionary is large: it is loaded where Chinese is scored, and nowhere else. */
let cut: ((text: string, unknownWords: boolean) => string[]) | undefined;

/** Loads the dictionary; scores need it. */
export async function loadChineseWords(): Promise<void> {
  cut ??= (await import("jieba-wasm")).cut;
}

/** Words of a text; together they are the text. */
function wordsOf(text: string): string[] {
  if (cut === undefined) {
    // deno-lint-ignore error-law/value -- there is none
    throw new InternalError("Chinese words are looked up before their dictionary is loaded");
  }
  return cut(text, true);
}

/** Python's `string.punctuation`, and the Chinese marks that LongBench leaves out. */
const PUNCTUATION =
  /[!-/:-@[-`{-~！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏]/g;

function normalized(text: string): string[] {
  return wordsOf(text)
    .map((word) => word.toLowerCase().replace(PUNCTUATION, "").split(SPACES).join(""))
    .filter((word) => word !== "");
}

/**
 * F1 of the Chinese words of `reply` against those of `answer`, 0..1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { chineseQaF1, loadChineseWords } from "./chinese.ts";
 *
 * await loadChineseWords();
 * // 在 and 北京 against 北京 alone.
 * assertEquals(chineseQaF1("在北京。", "北京"), 2 / 3);
 * ```
 */
export function chineseQaF1(reply: string, answer: string): number {
  return wordF1(normalized(reply), normalized(answer));
}

/** ROUGE-L of the Chinese words, 0..1. */
export function chineseRougeL(reply: string, answer: string): number {
  return rougeL(wordsOf(reply).join(" "), wordsOf(answer).join(" "));
}
