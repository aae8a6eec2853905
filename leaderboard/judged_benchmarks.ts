/**
 * Benchmarks beside the embedded slices that the policies of a leaderboard are replayed on: questions
 * made of rows, files in the slices' fields, and grids of needles.
 *
 * @module
 */
import type { Example } from "../benchmarks/example.ts";
import type { NeedleKindName } from "../benchmarks/niah/needle_kinds.ts";
import { spreadSample } from "../benchmarks/sample.ts";
import { sha256 } from "../engine/digest.ts";
import type { BenchmarkSlice } from "../evaluation/benchmarks/benchmark_slices.ts";
import { type NeedleGrid, needleQuestions } from "../evaluation/benchmarks/needle_slices.ts";
import { type Lab, partsOf } from "../evaluation/lab.ts";
import { extentOfExamples, type Judged, stepsAbout, tokensAbout } from "./judged.ts";
import { benchmarkSource } from "./source_hash.ts";

/** Questions made of rows. What scores them is hashed with them: no policy's own hash knows it. */
export function judgedQuestions(
  slice: BenchmarkSlice,
  { maxPromptTokens, version }: { readonly maxPromptTokens?: number; readonly version: string },
): Judged {
  const { name, examples, maxNewTokens, floor, origin, digest } = slice;
  const taken = (limit = Infinity) => spreadSample(examples, limit);
  return {
    name,
    maxNewTokens,
    origin,
    ...(floor === undefined ? {} : { floor }),
    hash: async () =>
      await sha256(JSON.stringify([
        ...[await benchmarkSource(version), digest, maxPromptTokens ?? null, origin.metric],
        examples,
      ])),
    extent: (limit) =>
      Promise.resolve({
        lengths: taken(limit).map(({ prompt }) =>
          Math.min(tokensAbout(prompt), maxPromptTokens ?? Infinity)
        ),
        steps: stepsAbout(maxNewTokens),
      }),
    examples: () => Promise.resolve(examples.length),
    replay: (lab, policy, { limit, ...options }) =>
      lab.replay({ name, examples: taken(limit), maxNewTokens }, [policy], {
        ...options,
        ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
      }),
  };
}

/** Examples of the user's, in the fields of the embedded slices. */
export function judgedExamples(
  name: string,
  examples: readonly Example[],
  maxNewTokens: number,
): Judged {
  return {
    name,
    maxNewTokens,
    hash: () => sha256(JSON.stringify(examples)),
    extent: (limit) => Promise.resolve(extentOfExamples(examples, maxNewTokens, limit)),
    examples: () => Promise.resolve(examples.length),
    replay: (lab, policy, options) =>
      lab.replay({ name, examples, maxNewTokens }, [policy], options),
  };
}

/** A grid of needles of one kind, whose prompts are made with the tokenizer of the model that is asked. */
export function judgedNeedles(
  name: string,
  kind: NeedleKindName,
  grid: NeedleGrid,
  version: string,
): Judged {
  const { lengths, depths, samples, maxNewTokens } = grid;
  const questions = (lab: Lab) => needleQuestions(kind, grid, partsOf(lab).model);
  return {
    name,
    maxNewTokens,
    hash: async () => await sha256(JSON.stringify([await benchmarkSource(version), kind, grid])),
    extent: (limit = Infinity) =>
      Promise.resolve({
        lengths: lengths.flatMap((length) =>
          Array.from({ length: depths.length * samples }, () => length)
        ).slice(0, limit),
        steps: stepsAbout(maxNewTokens),
      }),
    examples: (lab) => Promise.resolve(questions(lab).length),
    replay: (lab, policy, options) =>
      lab.replay({ name, examples: questions(lab), maxNewTokens }, [policy], options),
  };
}
