/**
 * Replays settings of engines on a model and says which flags to use.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import type { Advice } from "../advice/advice.ts";
import { advicePage } from "../advice/advice_page.ts";
import { adviceText } from "../advice/advice_text.ts";
import { advise } from "../advice/advise.ts";
import { loadDataFile, loadSlice, slices } from "../benchmarks/slices.ts";
import { open, type SliceInput } from "../evaluation/lab.ts";
import { CONTRACT_VERSION } from "../policies/contract.ts";
import { engineSettings } from "../policies/engine_settings.ts";
import { openOutputFile, writeAll } from "../report/output_folder.ts";
import { StatusLine } from "../report/status_line.ts";
import { print } from "../report/terminal.ts";
import type { AdviseCommandOptions } from "./advise_options.ts";
import { calibrationData } from "./calibration_data_options.ts";
import { InterruptListener } from "./interrupt.ts";
import { terminalColumns } from "./surroundings.ts";
import { VERSION } from "./version.ts";

/** Longest answer to a question of the user's, in tokens. */
const MOST_NEW_TOKENS = 64;

/** Runs the command; the exit code is 0. */
export async function giveAdvice(options: AdviseCommandOptions): Promise<number> {
  const bar = !options.quiet && Deno.stderr.isTerminal();
  const status = new StatusLine({ bar, ...terminalColumns() });
  const inform = (sentence: string) => {
    if (!options.quiet) status.notice(sentence);
  };
  using interrupts = new InterruptListener({ outcome: "nothing was advised" }, bar);
  const questions = await questionsOf(options);
  for (const file of [options.out, options.json]) if (file !== undefined) openOutputFile(file);
  await using lab = await open(options.model, {
    device: options.device,
    precision: options.precision,
    ...(options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer }),
    ...calibrationData(options),
    notice: inform,
  });
  try {
    const advice = await advise(lab, {
      settings: engineSettings.filter(({ engine }) => options.engines.includes(engine)),
      slices: questions,
      mostLoss: options.mostLoss,
      context: options.context,
      progress: (done, total, what) => status.progress(done, total, what),
      notice: inform,
    });
    await status.stop();
    const { out, json } = options;
    interrupts.leave({ outcome: "the advice is printed" }, () => {
      print(adviceText(advice));
      if (json !== undefined) write(json, jsonText(options, lab, advice));
      if (out !== undefined) write(out, advicePage(advice, options.model));
    });
    return 0;
  } finally {
    await status.stop();
  }
}

async function questionsOf(
  { slices: names, data, limit }: AdviseCommandOptions,
): Promise<Required<SliceInput>[]> {
  if (data !== undefined) {
    const examples = (await loadDataFile(data)).slice(0, limit);
    return [{ name: "data", examples, maxNewTokens: MOST_NEW_TOKENS }];
  }
  return await Promise.all(names.map(async (name) => ({
    name,
    examples: (await loadSlice(name)).slice(0, limit),
    maxNewTokens: slices[name].maxNewTokens,
  })));
}

function write(file: string, text: string): void {
  writeAll(dirname(file), { [basename(file)]: text });
}

function jsonText(
  options: AdviseCommandOptions,
  { fingerprint, device }: { readonly fingerprint: string; readonly device: string },
  advice: Advice,
): string {
  const facts = {
    kvreplay: VERSION,
    contract: CONTRACT_VERSION,
    model: options.model,
    model_fingerprint: fingerprint,
    device,
    precision: options.precision,
    most_loss: advice.mostLoss,
    context: advice.context,
    examples: advice.examples,
    full_bytes: advice.fullBytes,
    settings: advice.settings,
    refused: advice.refused,
  };
  return `${JSON.stringify(facts, null, 2)}\n`;
}
