/**
 * What a user asks a model: an example of a benchmark, or a prompt of one's own.
 *
 * @module
 */
import { checkAnswers, renderPrompt, scoreReply } from "../benchmarks/datasets.ts";
import { BenchmarkError, type Example, exampleOf } from "../benchmarks/example.ts";
import type { Model } from "../engine/checkpoint/model.ts";
import type { CalibrationText } from "../calibration/calibration_set.ts";
import type { SampleTokens } from "../calibration/sensitivity.ts";
import { shown } from "../policies/shown.ts";
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
 * @param bytesPerPosition that a text may have
 * @throws {BenchmarkError} for what is no question, and from `score` for what is no score
 */
export function readyToRun(
  model: Pick<Model, "tokenizer" | "renderChat" | "shape">,
  question: Question,
  index: number,
  maxNewTokens: number,
  bytesPerPosition?: number,
): RunExample {
  if (Object(question) !== question) {
    throw new BenchmarkError(
      `Example ${index} is ${shown(question)}; expected an object, such as { prompt: "…" }`,
    );
  }
  const tokens = (id: string, text: string): Pick<RunExample, "prompt" | "refusal"> => {
    const refusal = textRefusal(text, id, maxNewTokens, model.shape, bytesPerPosition);
    return refusal === undefined
      ? { prompt: model.tokenizer.encode(userTurn(model, text)) }
      : { prompt: [], refusal };
  };
  if ("prompt" in question) {
    const { id = `prompt-${index}`, dataset = "prompt", prompt, score } = question;
    for (const [name, text] of Object.entries({ id, dataset, prompt })) {
      if (typeof text === "string") continue;
      throw new BenchmarkError(`Example ${index}: ${name} is ${shown(text)}; expected text`);
    }
    if (score !== undefined && typeof score !== "function") {
      throw new BenchmarkError(`Example ${index}: score is ${shown(score)}; expected a function`);
    }
    return {
      id,
      dataset,
      ...tokens(id, prompt),
      score: (reply, reference) =>
        score === undefined ? Number(reply === reference) : ownScore(question, id, reply),
    };
  }
  const { id, allClasses, ...fields } = question;
  if (!("input" in fields)) {
    throw new BenchmarkError(
      `Example ${index} has the fields ${
        shown(Object.keys(question))
      }; expected a prompt, or those ` +
        `of an example, such as input and context`,
    );
  }
  const where = `Example ${index}`;
  checkAnswers(exampleOf({ ...fields, _id: id, all_classes: allClasses }, where), where);
  return {
    id: question.id,
    dataset: question.dataset,
    ...(question.depth === undefined ? {} : { depth: question.depth }),
    ...tokens(question.id, renderPrompt(question)),
    score: (reply) => scoreReply(question, reply),
  };
}

/** What the caller's own score says. */
function ownScore(question: Prompt, id: string, reply: string): number {
  let score: unknown;
  try {
    score = question.score!(reply);
  } catch (error) {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : shown(error);
    throw new BenchmarkError(`The score of example ${shown(id)} threw ${what}`, { cause: error });
  }
  if (typeof score === "number" && score >= 0 && score <= 1) return score;
  throw new BenchmarkError(
    `The score of example ${shown(id)} is ${shown(score)}; expected a number from 0 to 1`,
  );
}

/** A calibration text in tokens; of one that no prompt precedes the end is the reply. */
export function calibrationTokens(
  { tokenizer, renderChat }: Pick<Model, "tokenizer" | "renderChat">,
  { prompt, target }: CalibrationText,
): SampleTokens {
  if (prompt === undefined) {
    const ids = tokenizer.encode(tokenizer.opening + target);
    return { ids, reply: Math.min(TEXT_REPLY, Math.floor(ids.length / 2)) };
  }
  const turn = userTurn({ renderChat }, prompt);
  const ids = tokenizer.encode(turn + target);
  return { ids, reply: ids.length - tokenizer.encode(turn).length };
}

/** Tokens at the end of a text that predictions are watched on, at most. */
const TEXT_REPLY = 64;

/** A user's message as the model is prompted with it. */
export function userTurn({ renderChat }: Pick<Model, "renderChat">, content: string): string {
  return renderChat([{ role: "user", content }]);
}
