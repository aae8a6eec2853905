/**
 * Reads a text under policies.
 *
 * @module
 */
import { basename } from "node:path";
import { readText } from "../evaluation/benchmarks/read_text.ts";
import type { Making } from "./provenance.ts";
import { replayInputs } from "./replay_command.ts";
import type { PplOptions } from "./ppl_options.ts";

/** Runs the command; the exit code is 1 when a policy failed, else 0. */
export async function readUnderPolicies(options: PplOptions, making: Making): Promise<number> {
  const { replay, text: path, window = 512, from = Math.floor(window / 2), every } = options;
  const { limit } = replay;
  return await replayInputs(replay, making, async () => {
    const text = await readText(path);
    const name = basename(path).replace(/[^\w.-]+/g, "_").slice(0, 64);
    return [{
      name,
      content: () => JSON.stringify([text, { window, from, every, limit }]),
      maxNewTokens: window - from,
      run: (lab, hosts, choices) =>
        lab.perplexity(text, hosts, {
          ...choices,
          ...{ name, window, from },
          ...(every === undefined ? {} : { every }),
          ...(limit === undefined ? {} : { limit }),
        }),
    }];
  });
}
