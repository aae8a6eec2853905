/**
 * Kinds of needles: what is hidden, what is asked, and what a reply must say. They are those of RULER
 * (Hsieh et al., "RULER: What's the Real Context Size of Your Long-Context Language Models?", 2024,
 * section 3.1): one needle, one among others like it, several values of one key, several keys, and
 * records of UUIDs with nothing around them (as in Liu et al., "Lost in the Middle", 2023, section 3).
 * The wording is that of the embedded slices.
 *
 * @module
 */
import { datasets } from "../datasets.ts";
import { keyRecall } from "../scorers/key_recall.ts";
import { shareFound } from "../scorers/string_match.ts";
import type { Draw } from "./draw.ts";

/** What is hidden in one prompt. */
export interface Needles {
  /** What is asked for, in the order of its depths. */
  readonly wanted: readonly string[];
  /** Others like it, which are put anywhere. */
  readonly others: readonly string[];
  readonly question: string;
  /** What a reply must say. */
  readonly answers: readonly string[];
}

/** One kind. */
export interface NeedleKind {
  /** One line for a list. */
  readonly title: string;
  /** The user's message, with `{context}` and `{input}`. */
  readonly template: string;
  /** Longest reply, in tokens. */
  readonly maxNewTokens: number;
  needles(draw: Draw): Needles;
  /** What they are hidden in, piece by piece, where it is no text of the user's. */
  piece?(draw: Draw): string;
  /** What stands between two pieces, where it is no text of the user's. */
  readonly separator?: string;
  /** Share of the answers that a reply says, 0..1. */
  recall(reply: string, answers: readonly string[]): number;
}

/** Needles of which one is asked for, values of one key, and keys that are asked for together. */
const SEVERAL = 4;

const BEGINNINGS = ["Bar", "Dor", "Fel", "Gar", "Hol", "Jor", "Kel", "Lan", "Mor", "Nar", "Tav"];
const MIDDLES = ["a", "e", "i", "o", "an", "el", "im", "or"];
const ENDS = ["da", "ka", "lin", "ma", "ne", "ra", "sen", "ta", "vek", "zo"];

/** Names, no two the same. */
function names(draw: Draw, count: number): string[] {
  const found = new Set<string>();
  while (found.size < count) {
    found.add(draw.of(BEGINNINGS) + draw.of(MIDDLES) + draw.of(ENDS));
  }
  return [...found];
}

/** Numbers of five digits, no two the same. */
function numbers(draw: Draw, count: number): string[] {
  const found = new Set<string>();
  while (found.size < count) found.add(String(10_000 + draw.below(90_000)));
  return [...found];
}

const fact = (name: string, number: string) => `The special number of ${name} is ${number}.`;

function listed(words: readonly string[]): string {
  return words.length === 1 ? words[0]! : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

const inText = {
  template: datasets.niah_multikey.template,
  recall: (reply: string, answers: readonly string[]) =>
    answers.reduce((sum, answer) => sum + keyRecall(reply, answer), 0) / answers.length,
};

/** Needles of `keys` names, of which the first `asked` are asked for. */
function named(keys: number, asked: number): NeedleKind["needles"] {
  return (draw) => {
    const who = names(draw, keys);
    const what = numbers(draw, keys);
    const facts = who.map((name, i) => fact(name, what[i]!));
    const one = asked === 1;
    return {
      wanted: facts.slice(0, asked),
      others: facts.slice(asked),
      question: `What ${one ? "is" : "are"} the special number${one ? "" : "s"} of ${
        listed(who.slice(0, asked))
      }?`,
      answers: what.slice(0, asked),
    };
  };
}

const recordLine = (key: string, value: string) => `"${key}": "${value}"`;

/** Every kind by name. */
export const needleKinds = {
  single: {
    ...inText,
    title: "one key",
    maxNewTokens: 32,
    needles: named(1, 1),
  },
  multikey: {
    ...inText,
    title: "one key among others",
    maxNewTokens: 32,
    needles: named(SEVERAL, 1),
  },
  multivalue: {
    ...inText,
    title: "several values of one key",
    maxNewTokens: 64,
    needles: (draw) => {
      const [who] = names(draw, 1);
      const what = numbers(draw, SEVERAL);
      return {
        wanted: what.map((number) => fact(who!, number)),
        others: [],
        question: `What are all the special numbers of ${who}?`,
        answers: what,
      };
    },
  },
  multiquery: {
    ...inText,
    title: "several keys",
    maxNewTokens: 64,
    needles: named(SEVERAL, SEVERAL),
  },
  uuid: {
    title: "one of many records of UUIDs",
    template: "Below are records of keys and values.\n\n{context}\n\n{input}",
    maxNewTokens: 64,
    needles: (draw) => {
      const [key, value] = [draw.uuid(), draw.uuid()];
      return {
        wanted: [recordLine(key, value)],
        others: [],
        question: `What is the value of key "${key}"? Reply with the value alone.`,
        answers: [value],
      };
    },
    piece: (draw) => recordLine(draw.uuid(), draw.uuid()),
    separator: "\n",
    recall: shareFound,
  },
} as const satisfies Readonly<Record<string, NeedleKind>>;

/** Name of a kind. */
export type NeedleKindName = keyof typeof needleKinds;

/** Names of the kinds, in the order they are run. */
export const needleKindNames = Object.keys(needleKinds) as readonly NeedleKindName[];
