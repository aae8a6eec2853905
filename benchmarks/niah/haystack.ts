/**
 * The text that needles are hidden in, sentence by sentence, each with its length in tokens.
 *
 * @module
 */

/** What counts tokens: the model's own tokenizer. */
export interface TokenCounter {
  /** Ids of a text; nothing is added. */
  encode(text: string): readonly number[];
}

/** A piece of a haystack, which a needle may follow. */
export interface Piece {
  /** Its text, with what stands between the piece before and it. */
  readonly text: string;
  /** Tokens of that. */
  readonly tokens: number;
}

/** Pieces, as many as are asked for. */
export interface Haystack {
  /**
   * Piece number `index`; those behind the last are the first again.
   *
   * @param from number of the piece that stands first in the prompt
   */
  piece(index: number, from: number): Piece;
}

/** What ends a sentence, and what may close it; a blank line does too. */
const SENTENCE = /[\s\S]*?(?:[.!?…]["'”’)\]]*(?=\s)|[。！？]["”’」』）]*|\n\s*\n|$)/gu;

/**
 * The sentences of a text, without the space around them, each with the space before it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sentencesOf } from "./haystack.ts";
 *
 * assertEquals(sentencesOf('It is 3.5 m long. "Is it?" she\nasked.\n\nYes.'), [
 *   ["", "It is 3.5 m long."],
 *   [" ", '"Is it?"'],
 *   [" ", "she\nasked."],
 *   ["\n\n", "Yes."],
 * ]);
 * ```
 */
export function sentencesOf(text: string): [before: string, sentence: string][] {
  const sentences: [string, string][] = [];
  let space = "";
  for (const [piece] of text.matchAll(SENTENCE)) {
    const sentence = piece.trim();
    const lead = space + piece.slice(0, piece.length - piece.trimStart().length);
    if (sentence === "") {
      space = lead;
      continue;
    }
    const between = sentences.length === 0 ? "" : /\n\s*\n/.test(lead) ? "\n\n" : lead;
    sentences.push([between, sentence]);
    space = piece.slice(piece.trimEnd().length);
  }
  return sentences;
}

/** The sentences of a text of the user's; what was counted once is known. */
export class TextHaystack implements Haystack {
  readonly #known = new Map<string, Piece>();

  /** @param sentences as `sentencesOf` has them, at least one */
  constructor(
    private readonly sentences: readonly (readonly [before: string, sentence: string])[],
    private readonly counter: TokenCounter,
  ) {}

  /** How many there are. */
  get size(): number {
    return this.sentences.length;
  }

  piece(index: number, from: number): Piece {
    const [before, sentence] = this.sentences[index % this.sentences.length]!;
    return this.#counted(index === from ? sentence : (before || "\n\n") + sentence);
  }

  #counted(text: string): Piece {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const piece = { text, tokens: this.counter.encode(text).length };
    this.#known.set(text, piece);
    return piece;
  }
}
