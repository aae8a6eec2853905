/**
 * Needles in a haystack, over a grid of lengths and depths (Kamradt, LLMTest_NeedleInAHaystack, 2023):
 * how much of what was hidden at a depth of a context of a length a model still finds.
 *
 * @module
 */
import { BenchmarkError } from "../benchmark_error.ts";
import { Draw } from "./draw.ts";
import type { Haystack, Piece, TokenCounter } from "./haystack.ts";
import { type NeedleKind, type NeedleKindName, needleKinds, type Needles } from "./needle_kinds.ts";

/** One cell of a grid, and which of its samples. */
export interface GridPlace {
  readonly kind: NeedleKindName;
  /** Tokens of the prompt, its chat turn included, and the longest reply together. */
  readonly length: number;
  /** Where the first needle lies in the haystack, 0 (its start) to 1 (its end). */
  readonly depth: number;
  readonly sample: number;
}

/** What prompts are made with. */
export interface GridMaker {
  readonly counter: TokenCounter;
  /** What the model is prompted with, from a message. */
  turn(message: string): string;
  /** Sentences of the user's; kinds that bring their own need none. */
  readonly haystack?: Haystack & { readonly size: number };
  /** Samples of each cell: each begins at another sentence. */
  readonly samples: number;
  /** Longest reply, in tokens. */
  readonly maxNewTokens: number;
}

/** A prompt with needles in it. */
export interface NeedlePrompt {
  readonly prompt: string;
  readonly answers: readonly string[];
  score(reply: string): number;
}

/**
 * The prompt of a place.
 *
 * @throws {BenchmarkError} when the length has no room for its needles and a sentence
 */
export function needlePrompt(place: GridPlace, maker: GridMaker): NeedlePrompt {
  const { length, depth, sample } = place;
  const kind: NeedleKind = needleKinds[place.kind];
  const { counter, turn, maxNewTokens } = maker;
  // Keys and values are the same at every depth and length, so that cells differ in those alone.
  const draw = new Draw(`niah ${place.kind} ${sample}`);
  const needles = kind.needles(draw);
  const [haystack, from] = haystackOf(place, kind, draw, maker);
  const room = length - maxNewTokens;
  const message = (context: string) =>
    kind.template.replaceAll(
      /\{context\}|\{input\}/g,
      (field) => field === "{context}" ? context : needles.question,
    );
  const count = (text: string) => counter.encode(text).length;
  const separator = kind.separator ?? " ";
  const hidden = [...needles.wanted, ...needles.others];
  const bare = count(turn(message(hidden.join(separator))));
  let most = room - bare;
  for (;;) {
    const pieces = piecesWithin(haystack, from, most);
    if (pieces.length === 0) {
      throw new BenchmarkError(
        `Needles of kind ${place.kind} do not fit ${length} tokens: question, needles and reply take ${
          bare + maxNewTokens
        }, and a sentence must be left; give a greater length`,
      );
    }
    const context = woven(pieces, needles, depth, separator, draw);
    const prompt = message(context);
    const tokens = count(turn(prompt));
    if (tokens <= room) {
      return {
        prompt,
        answers: needles.answers,
        score: (reply) => kind.recall(reply, needles.answers),
      };
    }
    // Texts that are joined may be more tokens than each by itself.
    most -= tokens - room;
  }
}

/** What needles of a kind are hidden in, and the piece that a sample begins with. */
function haystackOf(
  { kind: name, sample }: GridPlace,
  kind: NeedleKind,
  draw: Draw,
  { haystack, counter, samples }: GridMaker,
): [Haystack, number] {
  if (kind.piece !== undefined) return [new Drawn(kind, draw, counter), 0];
  if (haystack === undefined) {
    throw new BenchmarkError(`Needles of kind ${name} need a haystack; give --haystack`);
  }
  return [haystack, Math.floor(haystack.size * sample / samples)];
}

/** As many pieces as there is room for. */
function piecesWithin(haystack: Haystack, from: number, most: number): Piece[] {
  const pieces: Piece[] = [];
  let tokens = 0;
  for (let i = from;; i++) {
    const piece = haystack.piece(i, from);
    tokens += piece.tokens;
    if (tokens > most) return pieces;
    pieces.push(piece);
  }
}

/**
 * Pieces with needles between them: those that are asked for at the depth and evenly from there to the
 * end, each at the end of the piece that ends nearest to its position in tokens.
 */
function woven(
  pieces: readonly Piece[],
  { wanted, others }: Needles,
  depth: number,
  separator: string,
  draw: Draw,
): string {
  const ends = [0];
  for (const { tokens } of pieces) ends.push(ends.at(-1)! + tokens);
  const all = ends.at(-1)!;
  const places = [
    ...wanted.map((text, i) => ({
      text,
      at: nearest(ends, all * (depth + (1 - depth) * i / wanted.length)),
    })),
    ...others.map((text) => ({ text, at: draw.below(ends.length) })),
  ];
  let context = "";
  for (let end = 0; end < ends.length; end++) {
    for (const place of places) {
      if (place.at !== end) continue;
      if (context !== "") context += separator;
      context += place.text;
    }
    const piece = pieces[end];
    if (piece === undefined) break;
    context += end === 0 && context !== "" ? separator + piece.text : piece.text;
  }
  return context;
}

/** Which of some ends, in order, is nearest to a position; the first of two. */
function nearest(ends: readonly number[], position: number): number {
  let best = 0;
  for (const [i, end] of ends.entries()) {
    if (Math.abs(end - position) < Math.abs(ends[best]! - position)) best = i;
  }
  return best;
}

/** Pieces that a kind brings. */
class Drawn implements Haystack {
  readonly #pieces: Piece[] = [];

  constructor(
    private readonly kind: NeedleKind,
    private readonly draw: Draw,
    private readonly counter: TokenCounter,
  ) {}

  piece(index: number): Piece {
    while (this.#pieces.length <= index) {
      const { length } = this.#pieces;
      const text = (length === 0 ? "" : this.kind.separator) + this.kind.piece!(this.draw);
      this.#pieces.push({ text, tokens: this.counter.encode(text).length });
    }
    return this.#pieces[index]!;
  }
}
