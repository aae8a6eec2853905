/**
 * What a user asks a model: an example of a benchmark, or a prompt of one's own.
 *
 * @module
 */
import { renderPrompt, scoreReply } from "../benchmarks/datasets.ts";
import type { Example } from "../benchmarks/example.ts";
import type { Model } from "../engine/checkpoint/model.ts";
import type { RunExample } from "./policy_run.ts";

/** A user's message, without a template and with a score of one's own. */
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

/** Something to replay. */
export type Question = Example | Prompt;

/** A question in tokens. */
export function readyToRun(
  model: Pick<Model, "tokenizer" | "renderChat">,
  question: Question,
  index: number,
): RunExample {
  if ("prompt" in question) {
    return {
      id: question.id ?? `prompt-${index}`,
      dataset: question.dataset ?? "prompt",
      prompt: model.tokenizer.encode(userTurn(model, question.prompt)),
      score: (reply, reference) =>
        question.score === undefined ? Number(reply === reference) : question.score(reply),
    };
  }
  return {
    id: question.id,
    dataset: question.dataset,
    ...(question.depth === undefined ? {} : { depth: question.depth }),
    prompt: model.tokenizer.encode(userTurn(model, renderPrompt(question))),
    score: (reply) => scoreReply(question, reply),
  };
}

/** A user's message as the model is prompted with it. */
export function userTurn({ renderChat }: Pick<Model, "renderChat">, content: string): string {
  return renderChat([{ role: "user", content }]);
}
