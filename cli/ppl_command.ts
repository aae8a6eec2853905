/**
 * Reads a text under policies.
 *
 * @module
 */
import { basename } from "node:path";
import { UserError } from "../errors.ts";
import type { Making } from "./provenance.ts";
import { replayInputs } from "./replay_command.ts";
import type { PplOptions } from "./ppl_options.ts";

/** Bytes of a text. */
const LONGEST_TEXT = 2 ** 28;

/** Runs the command; the exit code is 1 when a policy failed, else 0. */
export async function readUnderPolicies(options: PplOptions, making: Making): Promise<number> {
  const { replay, text: path, window = 512, from = Math.floor(window / 2), every } = options;
  const { limit } = replay;
  return await replayInputs(replay, making, async () => {
    const text = await textOf(path);
    const name = basename(path).replace(/[^\w.-]+/g, "_").slice(0, 64);
    return [{
      name,
      content: () => text,
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

async function textOf(path: string): Promise<string> {
  try {
    const { size } = await Deno.stat(path);
    if (size > LONGEST_TEXT) {
      throw new UserError(
        `The text ${path} has ${size} bytes; supported are up to ${LONGEST_TEXT}`,
      );
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot read the text ${path}: ${(error as Error).message}`);
  }
}
