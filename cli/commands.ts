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

function replayCommand(target: SliceName | "all", summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseReplayOptions(target, args);
      if (options === undefined) {
        print(policyCommandHelp(target, summary, OPTIONS));
        return 0;
      }
      // Loaded only now: engines are large, and a help text needs none.
      const { replay } = await import("./replay_command.ts");
      return await replay(options, { command: [target, ...args] });
    },
  };
}

function runCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseRunOptions(args);
      if (options === undefined) {
        print(runHelp(summary));
        return 0;
      }
      const { runBenchmarks } = await import("./run_command.ts");
      return await runBenchmarks(options, { command: ["run", ...args] });
    },
  };
}

function niahCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseNiahOptions(args);
      if (options === undefined) {
        print(niahHelp(summary));
        return 0;
      }
      const { findNeedles } = await import("./niah_command.ts");
      return await findNeedles(options, { command: ["niah", ...args] });
    },
  };
}

function pplCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parsePplOptions(args);
      if (options === undefined) {
        print(pplHelp(summary));
        return 0;
      }
      const { readUnderPolicies } = await import("./ppl_command.ts");
      return await readUnderPolicies(options, { command: ["ppl", ...args] });
    },
  };
}

function leaderboardCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseLeaderboardOptions(args);
      if (options === undefined) {
        print(policyCommandHelp("leaderboard", summary, LEADERBOARD_OPTIONS));
        return 0;
      }
      const { leaderboard } = await import("./leaderboard_command.ts");
      return await leaderboard(options, { command: ["leaderboard", ...args] });
    },
  };
}

function rerunCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseRerunOptions(args);
      if (options === undefined) {
        print(commandHelp(`rerun ${RERUN_OPERAND}`, summary, RERUN_OPTIONS));
        return 0;
      }
      const { rerun } = await import("./rerun_command.ts");
      return await rerun(options);
    },
  };
}

function searchCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseSearchOptions(args);
      if (options === undefined) {
        print(policyCommandHelp("search", summary, SEARCH_OPTIONS));
        return 0;
      }
      const { searchWidths } = await import("./search_command.ts");
      return await searchWidths(options);
    },
  };
}

function sweepCommandOf(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseSweepOptions(args);
      if (options === undefined) {
        print(sweepHelp(summary));
        return 0;
      }
      const { sweepCommand } = await import("./sweep_command.ts");
      return await sweepCommand(options);
    },
  };
}

function serveCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseServeOptions(args);
      if (options === undefined) {
        print(commandHelp(`serve ${SERVE_OPERAND}`, summary, SERVE_OPTIONS));
        return 0;
      }
      const { serveLive } = await import("./serve_command.ts");
      return await serveLive(options);
    },
  };
}

function familiesCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      if (args.includes("--help") || args.includes("-h")) {
        print(policyCommandHelp("families", summary, FAMILIES_OPTIONS));
        return 0;
      }
      const { listFamilies } = await import("./families_command.ts");
      return await listFamilies(args);
    },
  };
}

function fetchCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseFetchOptions(args);
      if (options === undefined) {
        print(commandHelp(`fetch ${FETCH_OPERAND}`, summary, FETCH_OPTIONS));
        return 0;
      }
      const { fetchFromHub } = await import("./fetch_command.ts");
      return await fetchFromHub(options);
    },
  };
}

function adviseCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseAdviseOptions(args);
      if (options === undefined) {
        print(commandHelp(`advise ${ADVISE_OPERAND}`, summary, ADVISE_OPTIONS));
        return 0;
      }
      const { giveAdvice } = await import("./advise_command.ts");
      return await giveAdvice(options);
    },
  };
}

function checkCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseCheckOptions(args);
      if (options === undefined) {
        print(commandHelp(`check ${CHECK_OPERAND}`, summary, CHECK_OPTIONS));
        return 0;
      }
      const { check } = await import("./check_command.ts");
      return await check(options);
    },
  };
}

function compareCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseCompareOptions(args);
      if (options === undefined) {
        print(commandHelp(`compare ${COMPARE_OPERANDS}`, summary, COMPARE_OPTIONS));
        return 0;
      }
      const { compareRuns } = await import("./compare_command.ts");
      return await compareRuns(options);
    },
  };
}

function newCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseNewOptions(args);
      if (options === undefined) {
        print(commandHelp(`new ${NEW_OPERAND}`, summary, NEW_OPTIONS));
        return 0;
      }
      const { writeNew } = await import("./new_command.ts");
      return await writeNew(options);
    },
  };
}

function cacheCommand(summary: string): Command {
  return {
    summary,
    run: async (args) => {
      const options = parseCacheOptions(args);
      if (options === undefined) {
        print(cacheHelp(summary));
        return 0;
      }
      const { manageCache } = await import("./cache_command.ts");
      return await manageCache(options);
    },
  };
}

/** One command for every slice. */
const replayCommands = Object.fromEntries(
  sliceNames.map((name) => [name, replayCommand(name, slices[name].title)]),
) as Record<SliceName, Command>;

/** The commands, in the order they are listed. */
export const commands = {
  ...replayCommands,
  all: replayCommand("all", "Every slice, one after the other"),
  run: runCommand("Benchmarks by name: LongBench, GSM8K, RULER, MMLU, or questions of your own"),
  niah: niahCommand("Needles in a haystack: recall by length and depth, as a heat map"),
  ppl: pplCommand("A text: perplexity, divergence and agreement from the quantized cache"),
  leaderboard: leaderboardCommand("Every policy on every slice and model, and a report"),
  rerun: rerunCommand("What a manifest says, again, and whether every digit is the same"),
  sweep: sweepCommandOf(
    "Models, benchmarks, policies and seeds, shard by shard or by many workers",
  ),
  serve: serveCommand("A page of running sweeps and finished leaderboards, on this machine"),
  search: searchCommand("A width for every layer, kind and head under a budget, by measurement"),
  advise: adviseCommand("Which cache setting of an engine to use with a model, and what it loses"),
  fetch: fetchCommand("Models and benchmarks of the Hugging Face hub into its cache"),
  families: familiesCommand("Every quantizer family and policy, and the bits each really stores"),
  new: newCommand("A policy or quantizer file that runs at once, and a test beside it"),
  check: checkCommand("Whether a policy or quantizer file does what it must, told in seconds"),
  compare: compareCommand("Where two runs differ, example by example, replies side by side"),
  cache: cacheCommand("What earlier runs kept on disk: list, verify or clear it"),
} as const satisfies Record<string, Command>;

/** Name of a command. */
export type CommandName = keyof typeof commands;

/** Whether `name` is a command. */
export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}
