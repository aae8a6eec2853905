/**
 * Needle grids as slices that can be replayed: a haystack is found and read, and prompts are made with
 * the tokenizer of the model that is asked.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import { sentencesOf, TextHaystack } from "../../benchmarks/niah/haystack.ts";
import { type GridMaker, needlePrompt } from "../../benchmarks/niah/needle_grid.ts";
import type { NeedleKindName } from "../../benchmarks/niah/needle_kinds.ts";
import type { Model } from "../../engine/checkpoint/model.ts";
import { type Prompt, userTurn } from "../question.ts";
import { LONGEST_TEXT, readText } from "./read_text.ts";

/** What a grid is made of. */
export interface NeedleGrid {
  /** Lengths of prompt and longest reply together, in tokens. */
  readonly lengths: readonly number[];
  /** Depths, 0..1. */
  readonly depths: readonly number[];
  /** Samples of each cell. */
  readonly samples: number;
  /** Longest reply, in tokens. */
  readonly maxNewTokens: number;
  /** The text that needles are hidden in; absent where no kind needs one. */
  readonly haystack?: readonly (readonly [before: string, sentence: string])[];
}

/** Endings of the files of a folder that are text. */
const TEXT_ENDINGS = /\.(txt|md|text)$/i;

/**
 * The sentences of a haystack.
 *
 * @param path a text, or a folder of which every text is taken, in the order of their names
 * @throws {UserError} for what cannot be read, or holds nothing
 */
export async function readHaystack(path: string): Promise<[before: string, sentence: string][]> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info === undefined) throw new UserError(`There is no file or folder ${path} for --haystack`);
  const files = info.isDirectory ? await textsIn(path) : [path];
  const texts: string[] = [];
  let length = 0;
  for (const file of files) {
    const text = await readText(file);
    length += text.length;
    if (length > LONGEST_TEXT) {
      throw new UserError(
        `The texts of ${path} have more than ${LONGEST_TEXT} characters; give fewer`,
      );
    }
    texts.push(text);
  }
  const sentences = sentencesOf(texts.join("\n\n"));
  if (sentences.length > 0) return sentences;
  throw new UserError(`The haystack ${path} holds no sentence; expected a text`);
}

async function textsIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile && TEXT_ENDINGS.test(name)) names.push(name);
  }
  if (names.length > 0) return names.sort().map((name) => join(folder, name));
  throw new UserError(
    `The folder ${folder} has no text for --haystack: expected files that end in .txt or .md`,
  );
}

/** The name that a length is reported under: `4k` for 4,096 tokens. */
export function lengthName(tokens: number): string {
  return tokens % 1024 === 0 ? `${tokens / 1024}k` : String(tokens);
}

/** A prompt, and what was hidden in it. */
export interface NeedleQuestion extends Prompt {
  readonly answers: readonly string[];
}

/**
 * The prompts of a grid, length by length and depth by depth; lengths that the model has no positions
 * for are left out.
 *
 * @param notice takes the sentence that says so
 * @throws {BenchmarkError} when no length is left, or one has no room for its needles
 */
export function needleQuestions(
  kind: NeedleKindName,
  grid: NeedleGrid,
  { tokenizer, renderChat, shape }: Pick<Model, "tokenizer" | "renderChat" | "shape">,
  notice?: (sentence: string) => void,
): NeedleQuestion[] {
  const { depths, samples, maxNewTokens, haystack } = grid;
  const lengths = grid.lengths.filter((length) => length <= shape.maxPositions);
  const tooLong = grid.lengths.filter((length) => !lengths.includes(length)).map(lengthName);
  const { maxPositions } = shape;
  if (lengths.length === 0) {
    throw new BenchmarkError(
      `No length fits the model's ${maxPositions} positions: ${
        tooLong.join(", ")
      }; give a shorter one`,
    );
  }
  if (tooLong.length > 0) {
    notice?.(`Lengths left out: ${tooLong.join(", ")}: the model has ${maxPositions} positions`);
  }
  const maker: GridMaker = {
    counter: tokenizer,
    turn: (message) => userTurn({ renderChat }, message),
    ...(haystack === undefined ? {} : { haystack: new TextHaystack(haystack, tokenizer) }),
    samples,
    maxNewTokens,
  };
  return lengths.flatMap((length) =>
    depths.flatMap((depth) =>
      Array.from({ length: samples }, (_, sample): NeedleQuestion => {
        const { prompt, answers, score } = needlePrompt({ kind, length, depth, sample }, maker);
        return {
          id: `${kind}-${lengthName(length)}-${Math.round(1e4 * depth) / 100}-${sample}`,
          dataset: `niah_${kind}`,
          group: lengthName(length),
          prompt,
          answers,
          depth,
          score,
        };
      })
    )
  );
}
