/**
 * Replays needle grids.
 *
 * @module
 */
import { needleKinds } from "../benchmarks/niah/needle_kinds.ts";
import { needleQuestions, readHaystack } from "../evaluation/benchmarks/needle_slices.ts";
import { partsOf } from "../evaluation/lab.ts";
import { type AskedQuestion, askedQuestion } from "../evaluation/question.ts";
import type { Making } from "./provenance.ts";
import { type ReplayInput, replayInputs } from "./replay_command.ts";
import type { NiahOptions } from "./niah_options.ts";

/** Runs the command; the exit code is 1 when a policy failed, else 0. */
export async function findNeedles(options: NiahOptions, making: Making): Promise<number> {
  const more = options.haystack === undefined ? [] : [options.haystack];
  const { replay, kinds, lengths, depths, samples } = options;
  return await replayInputs(replay, making, async () => {
    const haystack = options.haystack === undefined
      ? undefined
      : await readHaystack(options.haystack);
    const grid = { lengths, depths, samples, ...(haystack === undefined ? {} : { haystack }) };
    return kinds.map((kind): ReplayInput => {
      const maxNewTokens = replay.maxNewTokens ?? needleKinds[kind].maxNewTokens;
      // Which they are is known once there is a tokenizer.
      let asked: AskedQuestion[] = [];
      return {
        name: `niah:${kind}`,
        content: () => JSON.stringify([kind, grid]),
        maxNewTokens,
        origin: {
          data: options.haystack ?? "records",
          data_commit: null,
          metric: "recall",
          shots: 0,
          chat: true,
          prompts: "this project's",
        },
        get asked() {
          return asked;
        },
        run: (lab, hosts, choices) => {
          const examples = needleQuestions(
            kind,
            { ...grid, maxNewTokens },
            partsOf(lab).model,
            choices.notice,
          );
          asked = examples.map(askedQuestion);
          const slice = { name: `niah:${kind}`, examples, maxNewTokens };
          return lab.replay(slice, hosts, { ...choices, generate: replay.generate });
        },
      };
    });
  }, more);
}
