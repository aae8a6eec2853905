/**
 * `deno task bench`: without `--compare` what `deno bench` runs, with the arguments given; with it the
 * comparison of the working tree with a revision, which exits with 1 where a policy became slower; with
 * `--growth FILE.svg` how costs grow, as a table and a figure.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { describeFailure, EXIT } from "../cli/failure.ts";
import { print, tell } from "../report/terminal.ts";
import { compareRevisions } from "./compare/compare.ts";
import { COMPARE_HELP, parseCompareOptions } from "./compare/compare_options.ts";
import { reportGrowth } from "./growth/growth.ts";
import { parseGrowthOptions } from "./growth/growth_options.ts";

const PROJECT = fileURLToPath(new URL("../", import.meta.url));

async function denoBench(args: readonly string[]): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["bench", "--no-prompt", "-P=bench", `--allow-run=${Deno.execPath()}`, ...args],
    cwd: PROJECT,
  }).spawn().status;
  return code;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    print(COMPARE_HELP);
    return 0;
  }
  const asked = (option: string) => args.some((arg) => arg.split("=")[0] === option);
  if (!asked("--compare") && !asked("--growth")) return await denoBench(args);
  try {
    if (asked("--growth")) {
      print(await reportGrowth(parseGrowthOptions(args)));
      return 0;
    }
    const { table, slower } = await compareRevisions(PROJECT, parseCompareOptions(args));
    print(table);
    return slower.length === 0 ? 0 : EXIT.failed;
  } catch (error) {
    const { text, exitCode } = describeFailure(error);
    tell(`bench: ${text}`);
    return exitCode;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
