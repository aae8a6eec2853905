/**
 * Replays slices under policies and reports what it costs.
 *
 * @module
 */
import type { BenchmarkOrigin } from "../evaluation/benchmarks/benchmark_slices.ts";
import {
  type Lab,
  open,
  partsOf,
  type ReplayOptions as LabReplayOptions,
  type SliceInput,
} from "../evaluation/lab.ts";
import type { PolicyHost } from "../policies/host.ts";
import { loadDataFile, loadSlice, type SliceName, slices } from "../benchmarks/slices.ts";
import { machineText } from "../leaderboard/project_facts.ts";
import { sha256 } from "../engine/digest.ts";
import { CHAT_DATE } from "../engine/checkpoint/chat_date.ts";
import { PolicyError } from "../policies/check.ts";
import { isCalibrationThere, saveCalibrationFile } from "../calibration/calibration_file.ts";
import { CONTRACT_VERSION } from "../policies/contract.ts";
import { type AskedQuestion, askedQuestion } from "../evaluation/question.ts";
import type { SliceResult } from "../evaluation/results.ts";
import { calibrationData } from "./calibration_data_options.ts";
import { calibrationLines } from "../report/calibration_line.ts";
import { auditTable } from "../report/audit_table.ts";
import { capabilityOf, capabilityRemarks } from "../report/capability.ts";
import { heatMaps } from "../report/heat_map.ts";
import { type Files, harnessFiles } from "../report/harness_files.ts";
import { manifestDate, type RunManifest } from "../report/manifest.ts";
import { openOutputFolder, writeAll } from "../report/output_folder.ts";
import { resultFiles, type RunDescription, type SliceReport } from "../report/result_files.ts";
import { RunningTable } from "../report/running_table.ts";
import { seedSpread, seedTable, spreadFields } from "../report/seed_spread.ts";
import { runStatistics } from "../report/statistics.ts";
import { StatusLine } from "../report/status_line.ts";
import { sliceTable } from "../report/table.ts";
import { moreFields } from "../report/more_fields.ts";
import { testMetricsLine } from "../report/test_metrics.ts";
import { print } from "../report/terminal.ts";
import { describeFailure, EXIT } from "./failure.ts";
import { inWords } from "../report/duration.ts";
import { InterruptListener } from "./interrupt.ts";
import type { LastWords } from "./last_words.ts";
import { openPolicies } from "./policy_hosts.ts";
import type { ReplayOptions } from "./replay_options.ts";
import { inputFiles, inputsOf, type Making, provenance } from "./provenance.ts";
import { runCache } from "./run_cache.ts";
import { Seldom } from "./seldom.ts";
import { terminalColumns } from "./surroundings.ts";
import { UNFINISHED, Unfinished } from "./unfinished.ts";
import { VERSION } from "./version.ts";

/** What ends a run that a signal ends. */
const INTERRUPTED = "Interrupted by a signal";

/** What a command's options say of every run. */
export type RunChoices = Pick<
  LabReplayOptions,
  | "budgetBits"
  | "bytesPerPosition"
  | "seed"
  | "seeds"
  | "stepwise"
  | "audit"
  | "passOver"
  | "partial"
  | "progress"
  | "notice"
  | "timeLeft"
  | "journal"
>;

/** What is replayed, and where it came from. */
export interface ReplayInput {
  readonly name: string;
  /** All that is replayed, as a text that differs when it does. */
  content(): string;
  /** Longest answer, in tokens. */
  readonly maxNewTokens: number;
  /** Of a benchmark. */
  readonly origin?: BenchmarkOrigin;
  /** Score of guessing, 0..100; absent for 0. */
  readonly floor?: number;
  /** What is asked; absent for a text. */
  readonly asked?: readonly AskedQuestion[];
  /** Replays it under policies. */
  run(lab: Lab, hosts: readonly PolicyHost[], choices: RunChoices): Promise<SliceResult>;
}

/** Folder in that of `--out` for what viewers of lm-evaluation-harness read. */
const HARNESS_FOLDER = "lm_eval";

/** Runs the command; the exit code is 1 when a policy failed, else 0. */
export async function replay(options: ReplayOptions, making: Making): Promise<number> {
  return await replayInputs(
    options,
    making,
    () => Promise.all(options.slices.map((name) => sliceInput(name, options))),
  );
}

/**
 * The same for what is read from anywhere.
 *
 * @param more files that are read, beside those that the options name
 */
export async function replayInputs(
  options: ReplayOptions,
  making: Making,
  read: () => Promise<readonly ReplayInput[]>,
  more: readonly string[] = [],
): Promise<number> {
  const started = new Date();
  const bar = !options.quiet && Deno.stderr.isTerminal();
  const status = new StatusLine({ bar, ...terminalColumns() });
  const running = new RunningTable((line) => status.notice(line));
  const inform = (sentence: string) => {
    if (!options.quiet) status.notice(sentence);
  };
  using interrupts = new InterruptListener({ outcome: "nothing was finished" }, bar);
  for (const remark of options.ungrouped) inform(remark);
  // Everything that can be wrong with the user's files is found before the model is loaded.
  const inputs = await read();
  if (options.out !== undefined) openOutputFolder(options.out);
  const unfinished = options.out === undefined ? undefined : await Unfinished.of(
    options.out,
    options,
    inputs.map((input) => [input.name, input.maxNewTokens, input.content()]),
  );
  if (unfinished?.hasOthers()) {
    inform(`${options.out}/${UNFINISHED} keeps a run of other options that was stopped`);
  }
  const cache = await runCache(options, inform);
  const { calibration } = options;
  const learned = calibration !== undefined && await isCalibrationThere(calibration);
  await using lab = await open(options.model, {
    device: options.device,
    precision: options.precision,
    ...(options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer }),
    ...cache,
    ...(learned ? { calibration } : {}),
    ...calibrationData(options),
    notice: inform,
  });
  const origin = options.out === undefined
    ? undefined
    : await originOf(options, lab, making, { inputs, more, learned, started });
  const manifestOf = (endedBy: string | null) =>
    origin === undefined ? {} : { "manifest.json": manifestText(origin, endedBy) };
  const filesOf = (reports: readonly SliceReport[], endedBy: string) => ({
    ...resultFiles(describe(options, lab), reports, endedBy),
    ...manifestOf(endedBy),
  });
  const reports: SliceReport[] = [];
  const reportOf = (input: ReplayInput, result: SliceResult): SliceReport => ({
    data: options.data ?? null,
    max_new_tokens: input.maxNewTokens,
    ...(input.origin === undefined ? {} : { origin: input.origin }),
    ...(input.floor === undefined ? {} : { floor: input.floor }),
    ...(input.asked === undefined ? {} : { asked: input.asked }),
    result,
  });
  const told = new Set<string>();
  const unheard = (input: ReplayInput, result: SliceResult) =>
    [...remarks(result), ...taskRemarks(input, result)].filter((text) => !told.has(text));
  const take = (input: ReplayInput, result: SliceResult) => {
    for (const remark of unheard(input, result)) {
      inform(remark);
      told.add(remark);
    }
    reports.push(reportOf(input, result));
    interrupts.leave(
      lastWords(options, () => filesOf(reports, INTERRUPTED)),
      () => print(resultText(result, options)),
    );
  };
  try {
    for (const [i, input] of inputs.entries()) {
      const last: { part?: SliceResult } = {};
      // All files are made anew each time.
      const seldom = new Seldom();
      const keep = (part: SliceResult) => {
        last.part = part;
        if (bar) running.show(part);
        seldom.do(() =>
          interrupts.leave({
            ...lastWords(options, () => filesOf([...reports, reportOf(input, part)], INTERRUPTED)),
            stdout: resultText(part, options),
            remarks: options.quiet ? [] : unheard(input, part),
          })
        );
      };
      try {
        const journal = unfinished?.journal(i);
        take(input, await runOne(lab, input, options, status, keep, journal));
      } catch (error) {
        if (last.part !== undefined) take(input, last.part);
        throw error;
      }
    }
  } catch (error) {
    if (options.out !== undefined) {
      const files = () => filesOf(reports, (error as Error).message);
      savePartial(options.out, reports.length === 0 ? undefined : files, status);
    }
    throw error;
  }
  const { out } = options;
  if (out !== undefined) {
    const run = describe(options, lab);
    const statistics = runStatistics(run, reports);
    const files = {
      ...resultFiles(run, reports, null, statistics),
      ...manifestOf(null),
      ...below(HARNESS_FOLDER, harnessFiles(run, reports, new Date(), statistics)),
    };
    interrupts.leave({ outcome: `the results are in ${out}` }, () => writeAll(out, files));
    unfinished?.remove();
    inform(`Results are in ${out}`);
  }
  if (calibration !== undefined && !learned) {
    await saveCalibrationFile(calibration, await partsOf(lab).calibration.export());
    inform(`What was learned offline is in ${calibration}`);
  }
  return reports.some(({ result }) => result.failures.length > 0) ? EXIT.failed : 0;
}

/** Files of folders below another, by their paths. */
function below(place: string, folders: Readonly<Record<string, Files>>): Files {
  return Object.fromEntries(
    Object.entries(folders).flatMap(([folder, files]) =>
      Object.entries(files).map(([name, text]) => [`${place}/${folder}/${name}`, text])
    ),
  );
}

/** What is left of a run that a signal ends. */
function lastWords(
  { out: folder }: ReplayOptions,
  files: () => Record<string, string>,
): LastWords {
  if (folder === undefined) return { outcome: "what was finished is printed" };
  return {
    files: { folder, contents: files() },
    outcome: `what was finished is in ${folder}, marked partial; the same command goes on`,
  };
}

/** Writes what is finished of a run that ended early; what ended it is told by who catches it. */
function savePartial(
  out: string,
  files: (() => Record<string, string>) | undefined,
  status: StatusLine,
): void {
  if (files === undefined) {
    status.notice(`Nothing was finished: ${out} is as it was`);
    return;
  }
  try {
    writeAll(out, files());
    status.notice(`What was finished is in ${out}, marked partial`);
  } catch (error) {
    status.notice(describeFailure(error).text);
  }
}

/** An embedded slice, or the file that takes its place. */
export async function sliceInput(
  name: SliceName,
  options: ReplayOptions,
): Promise<ReplayInput> {
  const examples = options.data === undefined
    ? await loadSlice(name)
    : await loadDataFile(options.data, options.dataLimits);
  return replayedSlice(
    {
      name,
      examples: examples.slice(0, options.limit),
      maxNewTokens: options.maxNewTokens ?? slices[name].maxNewTokens,
    },
    { generate: options.generate },
  );
}

/** A slice, to be replayed. */
export function replayedSlice(
  slice: Required<SliceInput>,
  limits: Pick<LabReplayOptions, "generate" | "maxPromptTokens">,
): ReplayInput {
  return {
    name: slice.name,
    content: () => JSON.stringify(slice),
    maxNewTokens: slice.maxNewTokens,
    asked: slice.examples.map(askedQuestion),
    run: (lab, hosts, choices) => lab.replay(slice, hosts, { ...choices, ...limits }),
  };
}

async function runOne(
  lab: Lab,
  input: ReplayInput,
  options: ReplayOptions,
  status: StatusLine,
  partial: (result: SliceResult) => void,
  journal: string | undefined,
): Promise<SliceResult> {
  const { hosts, failures } = await openPolicies(options, (sentence) => status.notice(sentence));
  const withAll = (ran: SliceResult) => ({ ...ran, failures: [...failures, ...ran.failures] });
  try {
    // deno-lint-ignore error-law/visible -- the sentence of a failure
    if (hosts.length === 0) throw new PolicyError(failures[0]?.reason ?? "No policy to run");
    const result = await input.run(lab, hosts, {
      budgetBits: options.budgetBits,
      bytesPerPosition: options.bytesPerPosition,
      seed: options.seed,
      seeds: options.seeds,
      stepwise: options.stepwise,
      audit: options.audit,
      passOver: options.policies.filter((policy) => !options.named.includes(policy)),
      progress: (done, total, what) => status.progress(done, total, what),
      notice: (sentence) => status.notice(sentence),
      partial: (part) => partial(withAll(part)),
      timeLeft: timeTeller((sentence) => {
        if (!options.quiet) status.notice(sentence);
      }),
      ...(journal === undefined ? {} : { journal }),
    });
    return withAll(result);
  } finally {
    await status.stop();
    await Promise.all(hosts.map((host) => host.close()));
  }
}

/** Time that is worth a word, in seconds. */
const LONG = 60;

/** Tells of a long run how long it will go on: after 1, 2, 4, 8, ... examples. */
function timeTeller(tell: (sentence: string) => void): (seconds: number, left: number) => void {
  let done = 0;
  return (seconds, left) => {
    if (Number.isInteger(Math.log2(++done)) && seconds >= LONG) {
      const rest = left === 1 ? "example that is" : `${left} examples that are`;
      tell(`About ${inWords(seconds)} for the ${rest} left of this slice`);
    }
  };
}

/** What a reader of the numbers must know about the policies. */
function* remarks({ results }: SliceResult): Generator<string> {
  for (const { policy, ignoredHooks, remarks, deviations } of results) {
    for (const remark of remarks) yield `policy ${policy}: ${remark}`;
    if (ignoredHooks.length > 0) {
      yield `Policy ${policy}: ignored, since its families do not use it: ${
        ignoredHooks.join(", ")
      }`;
    }
    for (const deviation of deviations) {
      yield `Policy ${policy}: not as the official code has it: ${deviation}`;
    }
  }
}

/** A slice's lines for standard output, without the last line feed. */
function resultText(
  result: SliceResult,
  { quiet, seed }: Pick<ReplayOptions, "quiet" | "seed">,
): string {
  const tables = quiet ? [] : [
    ...Deno.stdout.isTerminal()
      ? [sliceTable(result), seedTable(result, seed) ?? [], ...heatMaps(result)]
      : [],
    ...result.results.flatMap(({ policy, audit }) =>
      audit === undefined ? [] : [auditTable(policy, audit)]
    ),
  ].flat();
  const lines = result.results.map((ran) => {
    const { policy, numbers, outcomes, claimed } = ran;
    const spread = seedSpread(ran, seed);
    return testMetricsLine(result.slice, policy, numbers, result.partial, {
      ...moreFields(outcomes),
      ...claimed ? { claimed: 1 } : {},
      ...spread === undefined ? {} : spreadFields(spread),
    });
  });
  return [...tables.map((table) => `${table}\n`), ...lines, ...calibrationLines(result)].join("\n");
}

/** What a reader of a benchmark's task scores must know; those of the embedded slices are known. */
function taskRemarks(input: ReplayInput, result: SliceResult): string[] {
  const { origin, floor = 0, maxNewTokens } = input;
  const capability = origin === undefined ? undefined : capabilityOf(result, floor);
  if (capability === undefined) return [];
  return [...capabilityRemarks(result.slice, capability, maxNewTokens)];
}

/** What a run's manifest says of it before anything is computed; who wants to know is told. */
async function originOf(
  options: ReplayOptions,
  lab: Lab,
  making: Making,
  { inputs, more, learned, started }: {
    readonly inputs: readonly ReplayInput[];
    readonly more: readonly string[];
    readonly learned: boolean;
    readonly started: Date;
  },
): Promise<Omit<RunManifest, "partial" | "finished">> {
  const { fingerprint, device, gpuName, hub, chatTemplate } = lab;
  const models = [{
    ...{ name: options.model, hash: fingerprint, hub: hub ?? null },
    chat_template: chatTemplate,
  }];
  const slices = await Promise.all(
    inputs.map(async ({ name, content, maxNewTokens, origin }) => ({
      ...{ name, sha256: await sha256(content()), max_new_tokens: maxNewTokens },
      ...(origin === undefined ? {} : { benchmark: origin }),
    })),
  );
  making.found?.({ models, slices });
  const files = await inputFiles([
    ...await inputsOf(options, learned),
    ...more.map((path) => ({ path })),
  ]);
  return {
    ...await provenance(making, device, files, learned ? [] : ["calibration"]),
    engine: { device, precision: options.precision, machines: [machineText(gpuName)] },
    models,
    slices,
    chat_date: CHAT_DATE,
    started: manifestDate(started),
  };
}

function manifestText(
  origin: Omit<RunManifest, "partial" | "finished">,
  endedBy: string | null,
): string {
  const manifest: RunManifest = {
    ...origin,
    partial: endedBy !== null,
    finished: manifestDate(new Date()),
  };
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

function describe(
  options: ReplayOptions,
  { fingerprint, device, gpuName, hub, chatTemplate }: Lab,
): RunDescription {
  return {
    contract: CONTRACT_VERSION,
    model: options.model,
    model_hub: hub ?? null,
    chat_template: chatTemplate,
    model_fingerprint: fingerprint,
    device,
    gpu: gpuName ?? null,
    precision: options.precision,
    budget_bits: options.budgetBits,
    seed: options.seed,
    seeds: options.seeds,
    chat_date: CHAT_DATE,
    stepwise: options.stepwise,
    kvreplay: VERSION,
    deno: Deno.version.deno,
  };
}
