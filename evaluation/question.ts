/**
 * What a user asks a model: an example of a benchmark, or a prompt of one's own.
 *
 * @module
 */
import { renderPrompt, scoreReply } from "../benchmarks/datasets.ts";
import type { Example } from "../benchmarks/example.ts";
import type { Model } from "../engine/checkpoint/model.ts";
import type { RunExample } from "./policy_run.ts";
import { textRefusal } from "./text_limit.ts";

/**
 * A user's message, without a template and with a score of one's own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type Prompt } from "@kvreplay/kvreplay";
 *
 * const question: Prompt = {
 *   prompt: "A machine uses 7 watts. How many joules does it use in 5 seconds?",
 *   score: (reply) => Number(reply.includes("35")),
 * };
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers } = await lab.replay(question, "uniform_quant_4bit");
 * assertEquals([numbers.task_score, numbers.task_score_ref], [100, 100]);
 * ```
 */
export interface Prompt {
  /** The message; the model's chat template is put around it. */
  readonly prompt: string;
  /** Name in results; absent for `prompt-N`, counted from 0. */
  readonly id?: string;
  /** Name that policies see in `request_meta`; default `prompt`. */
  readonly dataset?: string;
  /** Score of a reply, 0..1; absent: 1 where the reply is the reference's, else 0. */
  score?(reply: string): number;
}

/**
 * Something to replay.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type Question } from "@kvreplay/kvreplay";
 * import { loadSlice } from "@kvreplay/kvreplay/benchmarks";
 *
 * const [example] = await loadSlice("reasoning");
 * const questions: Question[] = [example!, { prompt: "A machine uses 7 watts. Why?" }];
 * await using lab = await open("mini", { device: "cpu" });
 * const { outcomes } = await lab.replay(questions, "uniform_quant_4bit", { maxNewTokens: 2 });
 * assertEquals(outcomes.map(({ id }) => id), ["reasoning-000", "prompt-1"]);
 * ```
 */
export type Question = Example | Prompt;

/**
 * A question in tokens.
 *
 * @param maxNewTokens longest answer: a text that leaves no room for it is refused before it is read
 */
export function readyToRun(
  model: Pick<Model, "tokenizer" | "renderChat" | "shape">,
  question: Question,
  index: number,
  maxNewTokens: number,
): RunExample {
  const tokens = (id: string, text: string): Pick<RunExample, "prompt" | "refusal"> => {
    const refusal = textRefusal(text, id, maxNewTokens, model.shape);
    return refusal === undefined
      ? { prompt: model.tokenizer.encode(userTurn(model, text)) }
      : { prompt: [], refusal };
  };
  if ("prompt" in question) {
    return {
      id: question.id ?? `prompt-${index}`,
      dataset: question.dataset ?? "prompt",
      ...tokens(question.id ?? `prompt-${index}`, question.prompt),
      score: (reply, reference) =>
        question.score === undefined ? Number(reply === reference) : question.score(reply),
    };
  }
  return {
    id: question.id,
    dataset: question.dataset,
    ...(question.depth === undefined ? {} : { depth: question.depth }),
    ...tokens(question.id, renderPrompt(question)),
    score: (reply) => scoreReply(question, reply),
  };
}

/** A user's message as the model is prompted with it. */
export function userTurn({ renderChat }: Pick<Model, "renderChat">, content: string): string {
  return renderChat([{ role: "user", content }]);
}
