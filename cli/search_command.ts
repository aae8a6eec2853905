/**
 * Searches a width plan, prints the front it found and writes the plan as a policy file.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import { broughtQuantizers } from "./brought_quantizers.ts";
import { calibrationData } from "./calibration_data_options.ts";
import type { SliceName } from "../benchmarks/slices.ts";
import type { BroughtQuantizer } from "../evaluation/brought_quantizer.ts";
import { type Lab, open, partsOf, type ReplayOptions } from "../evaluation/lab.ts";
import type { PolicyChoice } from "../evaluation/policy_choice.ts";
import type { SliceResult } from "../evaluation/results.ts";
import type { PolicyHost } from "../policies/host.ts";
import { policyFileName } from "../policies/user_policy.ts";
import { openOutputFile, writeAll } from "../report/output_folder.ts";
import { testMetricsLine } from "../report/test_metrics.ts";
import { StatusLine } from "../report/status_line.ts";
import { BaseFamily } from "../search/base_family.ts";
import { frontTable, searchJson, verdictSentence, widthTable } from "../search/front_table.ts";
import { planPolicy, widestOf } from "../search/plan_policy.ts";
import { policyFileText } from "../search/policy_file.ts";
import { searchSamples, splitSamples } from "../search/samples.ts";
import { search } from "../search/search.ts";
import { widthPlan } from "../search/width_plan.ts";
import { print } from "../report/terminal.ts";
import type { SliceNumbers } from "../replay/metric.ts";
import { EXIT } from "./failure.ts";
import { InterruptListener } from "./interrupt.ts";
import type { SearchOptions } from "./search_options.ts";
import { terminalColumns } from "./surroundings.ts";
import { UsageError } from "./usage_error.ts";
import { VERSION } from "./version.ts";

/** Runs the command; the exit code is 1 when a quantizer failed, else 0. */
export async function searchWidths(options: SearchOptions): Promise<number> {
  const bar = !options.quiet && Deno.stderr.isTerminal();
  const status = new StatusLine({ bar, ...terminalColumns() });
  const inform = (sentence: string) => {
    if (!options.quiet) status.notice(sentence);
  };
  using interrupts = new InterruptListener({ outcome: "no plan was written" }, bar);
  for (const file of [options.out, options.json]) {
    if (file !== undefined) openOutputFile(file);
  }
  await using lab = await open(options.model, {
    device: options.device,
    ...(options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer }),
    ...calibrationData(options),
    notice: inform,
  });
  const { model, engine, families, hub, texts, calibration } = partsOf(lab);
  const base = new BaseFamily(families, options, model.shape, options.maxWidth, options.minWidth);
  if (options.budgetBits < base.widths[0]!) {
    throw new UsageError(
      `--budget-bits ${options.budgetBits} is below the narrowest width of ${options.family}, ${
        base.widths[0]
      }; give at least that`,
    );
  }
  const fitting = searchSamples(model, texts);
  if (fitting.length < 2) {
    throw new UsageError(
      `${fitting.length} calibration samples fit into the ${model.shape.maxPositions} positions of ${options.model}; a search needs two, one to find plans on and one to judge them on`,
    );
  }
  const { samples, heldOut } = splitSamples(fitting, options.samples);
  if (heldOut.length === 0) {
    throw new UsageError(
      `--samples ${options.samples} leaves no sample to judge the plans on; give at most ${
        fitting.length - 1
      }`,
    );
  }
  try {
    const start = performance.now();
    const quantizers = broughtQuantizers(options, (sentence) => status.notice(sentence));
    let failed = false;
    const fail = (sentence: string) => {
      failed = true;
      status.notice(sentence);
    };
    const result = await search({
      engine,
      families,
      base,
      samples,
      heldOut,
      budgetBits: options.budgetBits,
      rounds: options.rounds,
      quantizers,
      calibration: calibration.learningFrom(
        samples.map(({ prompt, target }) => ({
          ids: [...prompt, ...target],
          reply: target.length,
        })),
      ),
      failed: fail,
      progress: (done, total, what) => status.progress(done, total, what),
    });
    await status.stop();
    const seconds = (performance.now() - start) / 1000;
    const ids = samples.map(({ id }) => id);
    const heldOutIds = heldOut.map(({ id }) => id);
    const verdict = verdictSentence(result);
    const plan = widthPlan(result.chosen.widths, model.shape);
    const text = policyFileText(plan, base, {
      model: options.model,
      ...(hub === undefined ? {} : { modelCommit: hub.commit }),
      modelHash: model.hash,
      samples: ids,
      heldOut: heldOutIds,
      budgetBits: options.budgetBits,
      verdict,
      command: commandOf(options),
    });
    const tables = `${frontTable(result)}\n\n${widthTable(plan)}\n\n${verdict}`;
    const facts = {
      kvreplay: VERSION,
      model: options.model,
      model_hub: hub ?? null,
      chat_template: model.chatTemplate,
      model_hash: model.hash,
      engine: engine.fingerprint,
      device: engine.device,
      family: options.family,
      group_size: options.groupSize ?? null,
      residual_length: options.residualLength,
      axes: base.axes,
      budget_bits: options.budgetBits,
      samples: ids,
      held_out: heldOutIds,
      verdict,
      seconds,
      ...searchJson(result, model.shape),
    };
    const judged = quantizers.filter(({ name }) => result.quantizers.some((q) => q.name === name));
    const slices: Record<string, SliceNumbers> = {};
    const quantizerSlices: Record<string, Record<string, SliceNumbers>> = {};
    const keepFacts = () => {
      if (options.json === undefined) return;
      const all = { ...facts, slices, quantizer_slices: quantizerSlices };
      write(options.json, `${JSON.stringify(all, null, 2)}\n`);
    };
    const found = { outcome: `the plan is in ${options.out}` };
    interrupts.leave(found, () => {
      print(tables);
      keepFacts();
      write(options.out, text);
    });
    inform(
      `Searched in ${seconds.toFixed(1)} s on ${ids.join(", ")}; the plan is in ${options.out}`,
    );
    const name = policyFileName(options.out).slice(0, 64);
    const policy = planPolicy(plan, base);
    for (const slice of options.slices) {
      const { results, failures } = await replayed(lab, slice, { name, policy }, judged, {
        budgetBits: widestOf(plan),
        progress: (done, total, what) => status.progress(done, total, what),
        notice: (sentence) => status.notice(sentence),
      });
      await status.stop();
      failed ||= failures.length > 0;
      for (const { policy, numbers } of results) {
        if (policy === name) slices[slice] = numbers;
        else (quantizerSlices[policy] ??= {})[slice] = numbers;
      }
      interrupts.leave(found, () => {
        for (const { policy, numbers, claimed } of results) {
          print(testMetricsLine(slice, policy, numbers, false, claimed ? { claimed: 1 } : {}));
        }
        keepFacts();
      });
    }
    return failed ? EXIT.failed : 0;
  } finally {
    await status.stop();
  }
}

/** The plan on a slice, and quantizers in processes made for it. */
async function replayed(
  lab: Lab,
  slice: SliceName,
  plan: PolicyChoice,
  quantizers: readonly BroughtQuantizer[],
  options: ReplayOptions,
): Promise<SliceResult> {
  await using opened = new AsyncDisposableStack();
  const hosts: PolicyHost[] = [];
  for (const brought of quantizers) hosts.push(opened.use(await brought.open()));
  return await lab.replay(slice, [plan, ...hosts], options);
}

function write(file: string, text: string): void {
  writeAll(dirname(file), { [basename(file)]: text });
}

/** A command line that searches the same again. */
function commandOf(options: SearchOptions): string {
  const word = (text: string) =>
    /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  return [
    "kvreplay search",
    `--model ${word(options.model)}`,
    ...(options.tokenizer === undefined ? [] : [`--tokenizer ${word(options.tokenizer)}`]),
    `--device ${options.device}`,
    ...(options.calibrationData === undefined
      ? []
      : [`--calibration-data ${word(options.calibrationData)}`]),
    ...(options.calibrationTokens === undefined
      ? []
      : [`--calibration-tokens ${options.calibrationTokens}`]),
    `--family ${options.family}`,
    ...(options.groupSize === undefined ? [] : [`--group-size ${options.groupSize}`]),
    `--residual-length ${options.residualLength}`,
    `--budget-bits ${options.budgetBits}`,
    `--min-width ${options.minWidth}`,
    `--max-width ${options.maxWidth}`,
    `--samples ${options.samples}`,
    `--rounds ${options.rounds}`,
    `--out ${word(options.out)}`,
  ].join(" ");
}
