/**
 * Every command by name.
 *
 * @module
 */
import { type SliceName, sliceNames, slices } from "../benchmarks/slices.ts";
import { print } from "../report/terminal.ts";
import { ADVISE_OPERAND, ADVISE_OPTIONS, parseAdviseOptions } from "./advise_options.ts";
import { cacheHelp, parseCacheOptions } from "./cache_options.ts";
import { CHECK_OPERAND, CHECK_OPTIONS, parseCheckOptions } from "./check_options.ts";
import { COMPARE_OPERANDS, COMPARE_OPTIONS, parseCompareOptions } from "./compare_options.ts";
import { NEW_OPERAND, NEW_OPTIONS, parseNewOptions } from "./new_options.ts";
import { FETCH_OPERAND, FETCH_OPTIONS, parseFetchOptions } from "./fetch_options.ts";
import { FAMILIES_OPTIONS } from "./families_options.ts";
import { commandHelp, policyCommandHelp } from "./help.ts";
import { LEADERBOARD_OPTIONS, parseLeaderboardOptions } from "./leaderboard_options.ts";
import { niahHelp, parseNiahOptions } from "./niah_options.ts";
import { OPTIONS } from "./option_table.ts";
import { parsePplOptions, pplHelp } from "./ppl_options.ts";
import { parseReplayOptions } from "./replay_options.ts";
import { parseRerunOptions, RERUN_OPERAND, RERUN_OPTIONS } from "./rerun_options.ts";
import { parseRunOptions, runHelp } from "./run_options.ts";
import { parseSearchOptions, SEARCH_OPTIONS } from "./search_options.ts";
import { parseServeOptions, SERVE_OPERAND, SERVE_OPTIONS } from "./serve_options.ts";
import { parseSweepOptions, sweepHelp } from "./sweep_options.ts";

/** One command of `kvreplay`. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** Runs with the arguments after the command's name; the result is the exit code. */
  run(args: readonly string[]): Promise<number>;
}

/** What a command needs to know of itself. */
interface CommandParts<Options> {
  readonly summary: string;
  /** Reads the arguments; nothing where they ask for help. */
  readonly parse: (args: readonly string[]) => Options | undefined;
  readonly help: (summary: string) => string;
  /** Loads what it needs only now: engines are large, and a help text needs none. */
  readonly run: (options: Options, args: readonly string[]) => Promise<number>;
}

function command<Options>({ summary, parse, help, run }: CommandParts<Options>): Command {
  return {
    summary,
    run: async (args) => {
      const options = parse(args);
      if (options !== undefined) return await run(options, args);
      print(help(summary));
      return 0;
    },
  };
}

function replayCommand(target: SliceName | "all", summary: string): Command {
  return command({
    summary,
    parse: (args) => parseReplayOptions(target, args),
    help: (summary) => policyCommandHelp(target, summary, OPTIONS),
    run: async (options, args) =>
      (await import("./replay_command.ts")).replay(options, { command: [target, ...args] }),
  });
}

/** One command for every slice. */
const replayCommands = Object.fromEntries(
  sliceNames.map((name) => [name, replayCommand(name, slices[name].title)]),
) as Record<SliceName, Command>;

/** The commands, in the order they are listed. */
export const commands = {
  ...replayCommands,
  all: replayCommand("all", "Every slice, one after the other"),
  run: command({
    summary: "Benchmarks by name: LongBench, GSM8K, RULER, MMLU, or questions of your own",
    parse: parseRunOptions,
    help: runHelp,
    run: async (options, args) =>
      (await import("./run_command.ts")).runBenchmarks(options, { command: ["run", ...args] }),
  }),
  niah: command({
    summary: "Needles in a haystack: recall by length and depth, as a heat map",
    parse: parseNiahOptions,
    help: niahHelp,
    run: async (options, args) =>
      (await import("./niah_command.ts")).findNeedles(options, { command: ["niah", ...args] }),
  }),
  ppl: command({
    summary: "A text: perplexity, divergence and agreement from the quantized cache",
    parse: parsePplOptions,
    help: pplHelp,
    run: async (options, args) =>
      (await import("./ppl_command.ts")).readUnderPolicies(options, { command: ["ppl", ...args] }),
  }),
  leaderboard: command({
    summary: "Every policy on every slice and model, and a report",
    parse: parseLeaderboardOptions,
    help: (summary) => policyCommandHelp("leaderboard", summary, LEADERBOARD_OPTIONS),
    run: async (options, args) =>
      (await import("./leaderboard_command.ts")).leaderboard(options, {
        command: ["leaderboard", ...args],
      }),
  }),
  rerun: command({
    summary: "What a manifest says, again, and whether every digit is the same",
    parse: parseRerunOptions,
    help: (summary) => commandHelp(`rerun ${RERUN_OPERAND}`, summary, RERUN_OPTIONS),
    run: async (options) => (await import("./rerun_command.ts")).rerun(options),
  }),
  sweep: command({
    summary: "Models, benchmarks, policies and seeds, shard by shard or by many workers",
    parse: parseSweepOptions,
    help: sweepHelp,
    run: async (options) => (await import("./sweep_command.ts")).sweepCommand(options),
  }),
  serve: command({
    summary: "A page of running sweeps and finished leaderboards, on this machine",
    parse: parseServeOptions,
    help: (summary) => commandHelp(`serve ${SERVE_OPERAND}`, summary, SERVE_OPTIONS),
    run: async (options) => (await import("./serve_command.ts")).serveLive(options),
  }),
  search: command({
    summary: "A width for every layer, kind and head under a budget, by measurement",
    parse: parseSearchOptions,
    help: (summary) => policyCommandHelp("search", summary, SEARCH_OPTIONS),
    run: async (options) => (await import("./search_command.ts")).searchWidths(options),
  }),
  advise: command({
    summary: "Which cache setting of an engine to use with a model, and what it loses",
    parse: parseAdviseOptions,
    help: (summary) => commandHelp(`advise ${ADVISE_OPERAND}`, summary, ADVISE_OPTIONS),
    run: async (options) => (await import("./advise_command.ts")).giveAdvice(options),
  }),
  fetch: command({
    summary: "Models and benchmarks of the Hugging Face hub into its cache",
    parse: parseFetchOptions,
    help: (summary) => commandHelp(`fetch ${FETCH_OPERAND}`, summary, FETCH_OPTIONS),
    run: async (options) => (await import("./fetch_command.ts")).fetchFromHub(options),
  }),
  families: command({
    summary: "Every quantizer family and policy, and the bits each really stores",
    parse: (args) => args.includes("--help") || args.includes("-h") ? undefined : args,
    help: (summary) => policyCommandHelp("families", summary, FAMILIES_OPTIONS),
    run: async (args) => (await import("./families_command.ts")).listFamilies(args),
  }),
  new: command({
    summary: "A policy or quantizer file that runs at once, and a test beside it",
    parse: parseNewOptions,
    help: (summary) => commandHelp(`new ${NEW_OPERAND}`, summary, NEW_OPTIONS),
    run: async (options) => (await import("./new_command.ts")).writeNew(options),
  }),
  check: command({
    summary: "Whether a policy or quantizer file does what it must, told in seconds",
    parse: parseCheckOptions,
    help: (summary) => commandHelp(`check ${CHECK_OPERAND}`, summary, CHECK_OPTIONS),
    run: async (options) => (await import("./check_command.ts")).check(options),
  }),
  compare: command({
    summary: "Where two runs differ, example by example, replies side by side",
    parse: parseCompareOptions,
    help: (summary) => commandHelp(`compare ${COMPARE_OPERANDS}`, summary, COMPARE_OPTIONS),
    run: async (options) => (await import("./compare_command.ts")).compareRuns(options),
  }),
  cache: command({
    summary: "What earlier runs kept on disk: list, verify or clear it",
    parse: parseCacheOptions,
    help: cacheHelp,
    run: async (options) => (await import("./cache_command.ts")).manageCache(options),
  }),
} as const satisfies Record<string, Command>;

/** Name of a command. */
export type CommandName = keyof typeof commands;

/** Whether `name` is a command. */
export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}
