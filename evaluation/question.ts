/**
 * What a user asks a model: an example of a benchmark, or a prompt of one's own.
 *
 * @module
 */
import { checkAnswers, renderPrompt, scoreReply } from "../benchmarks/datasets.ts";
import { BenchmarkError } from "../benchmarks/benchmark_error.ts";
import { type Example, exampleOf } from "../benchmarks/example.ts";
import type { Model } from "../engine/checkpoint/model.ts";
import type { CalibrationText } from "../calibration/calibration_set.ts";
import type { SampleTokens } from "../calibration/sensitivity.ts";
import { shown } from "../sandbox/shown.ts";
import type { RunExample } from "./policy_run.ts";
import { textRefusal } from "./text_limit.ts";
import { withoutMiddle } from "./truncation.ts";

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
  /** The message. */
  readonly prompt: string;
  /** Name in results; absent for `prompt-N`, counted from 0. */
  readonly id?: string;
  /** Name that policies see in `request_meta`; default `prompt`. */
  readonly dataset?: string;
  /** Whether the model's chat template is put around the message; default true. */
  readonly chat?: boolean;
  /** What ends a reply beside an end token; it and what follows are no part of the reply. */
  readonly stop?: RegExp;
  /** Which part of a message that is too long is left out; absent: it is refused. */
  readonly truncate?: "middle";
  /** What the prompt is counted with beside all. */
  readonly group?: string;
  /** Where in the prompt its answer lies, 0..1. */
  readonly depth?: number;
  /** Score of a reply, 0..1; absent: 1 where the reply is the reference's, else 0. */
  score?(reply: string): number | Promise<number>;
  /** Other scores of a reply by name, 0..1 each. */
  scores?(
    reply: string,
  ): Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>;
  /** Whether a reply is one that can be right at all; absent: any that is not blank. */
  valid?(reply: string): boolean;
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

/** What a question is turned into tokens with. */
export type AskedModel = Pick<Model, "tokenizer" | "renderChat" | "shape">;

/** How long prompts and answers may be, in tokens. */
export interface TokenLimits {
  /** Longest answer: a text that leaves no room for it is refused before it is read. */
  readonly maxNewTokens: number;
  /** Longest message of which the middle may be left out; absent for what the model has room for. */
  readonly maxPromptTokens?: number;
  /** Bytes that a text may have for each position. */
  readonly bytesPerPosition?: number;
}

/**
 * A question in tokens.
 *
 * @throws {BenchmarkError} for what is no question, and from `score` for what is no score
 */
export function readyToRun(
  model: AskedModel,
  question: Question,
  index: number,
  limits: TokenLimits,
): RunExample {
  if (Object(question) !== question) {
    throw new BenchmarkError(
      `Example ${index} is ${shown(question)}; expected an object, such as { prompt: "…" }`,
    );
  }
  const { maxNewTokens, maxPromptTokens = Infinity, bytesPerPosition } = limits;
  const tokens = (
    id: string,
    text: string,
    { chat = true, truncate }: Pick<Prompt, "chat" | "truncate"> = {},
  ): Pick<RunExample, "prompt" | "refusal"> => {
    const { tokenizer, shape } = model;
    const turn = (message: string) => chat ? userTurn(model, message) : tokenizer.opening + message;
    if (truncate !== undefined) {
      const room = shape.maxPositions - maxNewTokens + 1;
      return { prompt: withoutMiddle(tokenizer, text, turn, maxPromptTokens, room) };
    }
    const refusal = textRefusal(text, id, maxNewTokens, shape, bytesPerPosition);
    return refusal === undefined
      ? { prompt: tokenizer.encode(turn(text)) }
      : { prompt: [], refusal };
  };
  if ("prompt" in question) {
    const { id = `prompt-${index}`, dataset = "prompt", prompt, score } = question;
    const { stop, group, depth, scores, valid } = question;
    for (const [name, text] of Object.entries({ id, dataset, prompt, group: group ?? "" })) {
      if (typeof text === "string") continue;
      throw new BenchmarkError(`Example ${index}: ${name} is ${shown(text)}; expected text`);
    }
    for (const [name, own] of Object.entries({ score, scores, valid })) {
      if (own === undefined || typeof own === "function") continue;
      throw new BenchmarkError(`Example ${index}: ${name} is ${shown(own)}; expected a function`);
    }
    if (stop !== undefined && !(stop instanceof RegExp && !stop.global && !stop.sticky)) {
      throw new BenchmarkError(
        `Example ${index}: stop is ${shown(stop)}; expected a RegExp without the flags g and y`,
      );
    }
    if (depth !== undefined && !(depth >= 0 && depth <= 1)) {
      throw new BenchmarkError(
        `Example ${index}: depth is ${shown(depth)}; expected a number from 0 to 1`,
      );
    }
    return {
      id,
      dataset,
      ...(depth === undefined ? {} : { depth }),
      ...tokens(id, prompt, question),
      ...(stop === undefined ? {} : { stop }),
      ...(group === undefined ? {} : { group }),
      score: (reply, reference) =>
        score === undefined
          ? Number(reply === reference)
          : ownScore("score", id, () => question.score!(reply)),
      ...(scores === undefined ? {} : { scores: (reply) => ownScores(question, id, reply) }),
      ...(valid === undefined ? {} : {
        valid: async (reply) => await told("valid", id, () => question.valid!(reply)) === true,
      }),
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

/** A question as who reads its replies wants to see it. */
export interface AskedQuestion {
  readonly id: string;
  /** The user's message, without what the model's chat template puts around it. */
  readonly prompt: string;
  /** Right answers; none where only the caller knows. */
  readonly answers: readonly string[];
}

/** Message and answers of a question that can be run, and the name it has in results. */
export function askedQuestion(
  question: Example | Prompt & { readonly answers?: readonly string[] },
  index: number,
): AskedQuestion {
  if ("prompt" in question) {
    const { id = `prompt-${index}`, prompt, answers = [] } = question;
    return { id, prompt, answers };
  }
  return { id: question.id, prompt: renderPrompt(question), answers: question.answers };
}

/** What the caller's own score says. */
async function ownScore(name: string, id: string, ask: () => unknown): Promise<number> {
  const score = await told(name, id, ask);
  if (typeof score === "number" && score >= 0 && score <= 1) return score;
  throw new BenchmarkError(
    `The ${name} of example ${shown(id)} is ${shown(score)}; expected a number from 0 to 1`,
  );
}

/** What the caller's other scores say. */
async function ownScores(
  question: Prompt,
  id: string,
  reply: string,
): Promise<Record<string, number>> {
  const scores = await told("scores", id, () => question.scores!(reply));
  const checked: Record<string, number> = {};
  for (const [name, score] of Object.entries(Object(scores))) {
    // It becomes the name of a field.
    if (!/^\w{1,64}$/.test(name)) {
      throw new BenchmarkError(
        `The scores of example ${shown(id)} have the name ${
          shown(name)
        }; expected up to 64 letters, ` +
          `digits and underscores`,
      );
    }
    checked[name] = await ownScore(name, id, () => score);
  }
  return checked;
}

async function told(name: string, id: string, ask: () => unknown): Promise<unknown> {
  try {
    return await ask();
  } catch (error) {
    throw threw(name, id, error);
  }
}

function threw(name: string, id: string, error: unknown): BenchmarkError {
  if (error instanceof BenchmarkError) return error;
  const what = error instanceof Error ? `${error.name}: ${error.message}` : shown(error);
  return new BenchmarkError(`The ${name} of example ${shown(id)} threw ${what}`, { cause: error });
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
