/**
 * The two matches of lm-evaluation-harness for GSM8K (EleutherAI/lm-evaluation-harness 0.4.13,
 * lm_eval/tasks/gsm8k/gsm8k.yaml; filters/extraction.py, `RegexFilter`; api/metrics.py,
 * `exact_match_hf_evaluate`).
 *
 * @module
 */

/** What is compared: without commas, dollar signs, what leads to "#### " and a full stop at the end. */
function compared(text: string): string {
  return text.replaceAll(",", "").replaceAll("$", "").replace(/.*#### /s, "")
    .replace(/\.(?=\n?$)/, "").toLowerCase();
}

const matches = (found: string | undefined, answer: string): number =>
  Number(compared(found ?? "[invalid]") === compared(answer));

/**
 * `strict-match`: 1 if the number after the first "#### " of the reply is the answer's, else 0.
 *
 * @param answer the solution with its "#### N", or the number alone
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { strictMatch } from "./gsm8k.ts";
 *
 * assertEquals(strictMatch("350 dollars.\n#### 350", "So 350.\n#### 350"), 1);
 * assertEquals(strictMatch("The answer is: $350.", "So 350.\n#### 350"), 0);
 * ```
 */
export function strictMatch(reply: string, answer: string): number {
  return matches(/#### (-?[0-9.,]+)/.exec(reply)?.[1], answer);
}

/**
 * `flexible-extract`: 1 if the last number of the reply is the answer's, else 0.
 *
 * @param answer the solution with its "#### N", or the number alone
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { flexibleMatch } from "./gsm8k.ts";
 *
 * assertEquals(flexibleMatch("The answer is: $1,350.", "#### 1350"), 1);
 * assertEquals(flexibleMatch("It is 350, not 35", "#### 350"), 0);
 * ```
 */
export function flexibleMatch(reply: string, answer: string): number {
  return matches([...reply.matchAll(/-?[$0-9.,]{2,}|-?[0-9]+/g)].at(-1)?.[0], answer);
}
