/**
 * Runs what a manifest says, with the same program, models and data, and compares what comes out
 * with what is beside the manifest, digit by digit.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { isSliceName } from "../benchmarks/slices.ts";
import { UserError } from "../errors.ts";
import { createHeldFolder } from "../files/held_folder.ts";
import { libraryVersions, machineText } from "../leaderboard/project_facts.ts";
import { programHash } from "../leaderboard/source_hash.ts";
import { CONTRACT_VERSION } from "../policies/contract.ts";
import { grouped, nameAndGroup } from "../policies/group_size.ts";
import { type Difference, firstDifference } from "../report/first_difference.ts";
import { type Found, type InputFile, type ReadManifest, readManifest } from "../report/manifest.ts";
import { print, shownLine, tell } from "../report/terminal.ts";
import { EXIT } from "./failure.ts";
import { leaderboard } from "./leaderboard_command.ts";
import { parseLeaderboardOptions } from "./leaderboard_options.ts";
import { readUnderPolicies } from "./ppl_command.ts";
import { findNeedles } from "./niah_command.ts";
import { parseNiahOptions } from "./niah_options.ts";
import { parsePplOptions } from "./ppl_options.ts";
import { inputFile, type Making } from "./provenance.ts";
import type { QuantizerOptions } from "./quantizer_options.ts";
import { replay } from "./replay_command.ts";
import { parseReplayOptions, type ReplayOptions } from "./replay_options.ts";
import type { RerunOptions } from "./rerun_options.ts";
import { runBenchmarks } from "./run_command.ts";
import { parseRunOptions } from "./run_options.ts";
import { parseSweepOptions } from "./sweep_options.ts";
import { runSweep } from "./sweep_run.ts";
import { UsageError } from "./usage_error.ts";
import { VERSION } from "./version.ts";

/** Files of results that are compared; the others are made of the same numbers. */
const COMPARED = ["metrics.json", "steps.jsonl", "comparisons.csv"];
/** Finished cells of a leaderboard. */
const CELLS = "cells";

/** A command of a manifest, ready to be run. */
interface Again {
  /** How it runs code of the user's outside the sandbox. */
  readonly outside?: string;
  /** File that is read, or else written. */
  readonly calibration?: string;
  /** @param moved files by the path that the command has for them */
  run(out: string, making: Making, moved: ReadonlyMap<string, string>): Promise<number>;
}

/**
 * Runs the command; the exit code is 0 when every digit is the same.
 *
 * @throws {UserError} when program, models or data are not those of the manifest
 */
export async function rerun(options: RerunOptions): Promise<number> {
  const { manifest: path } = options;
  const folder = dirname(path);
  const manifest = await read(path);
  const again = againOf(manifest, path);
  const inform = (sentence: string) => {
    if (!options.quiet) tell(shownLine(`kvreplay: ${sentence}`));
  };
  await checkProgram(manifest, path);
  checkCommand(manifest, again, options, path);
  for (const remark of remarks(manifest)) inform(remark);
  const held = await createHeldFolder("kvreplay-rerun-");
  try {
    const moved = await inputs(manifest.files, held.path, inform);
    const out = options.out ?? join(held.path, "results");
    const making = {
      command: manifest.command,
      found: (found: Found) => checkFound(manifest, found, path),
    };
    const code = await again.run(out, making, moved);
    const seen = { numbers: 0 };
    const found = await firstDifferenceIn(folder, out, seen);
    if (found === undefined) {
      print(`The same to the last digit: ${seen.numbers} numbers of ${folder}`);
      return 0;
    }
    if (found.file === "metrics.json" && found.is === MISSING) return code;
    tell(shownLine(`kvreplay: Not the same: ${sentence(found)}`));
    return EXIT.failed;
  } finally {
    await held.remove();
  }
}

async function read(path: string): Promise<ReadManifest> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
    await Deno.stat(join(dirname(path), COMPARED[0]!));
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    throw new UserError(
      `Cannot read ${path} and the ${COMPARED[0]} beside it: ${error.message}`,
    );
  }
  return readManifest(text, path);
}

/**
 * The manifest's command, parsed as it was then.
 *
 * @throws {UserError} when this program has no such command, or would not take its arguments
 */
function againOf(
  { command: [name = "", ...args], files }: ReadManifest,
  path: string,
): Again {
  const given = <T>(options: T | undefined): T => {
    if (options !== undefined) return options;
    throw new UserError(`The command of ${path} asks for --help; expected one that runs something`);
  };
  try {
    if (name === "all" || isSliceName(name)) {
      return replayAgain(given(parseReplayOptions(name, args)), replay);
    }
    if (name === "run") {
      const options = given(parseRunOptions(args));
      return replayAgain(
        options.replay,
        (replay, making) => runBenchmarks({ ...options, replay }, making),
      );
    }
    if (name === "niah") {
      const options = given(parseNiahOptions(args));
      return replayAgain(
        options.replay,
        (replay, making) => findNeedles({ ...options, replay }, making),
      );
    }
    if (name === "ppl") {
      const options = given(parsePplOptions(args));
      return replayAgain(
        options.replay,
        (replay, making) => readUnderPolicies({ ...options, replay }, making),
      );
    }
    if (name === "sweep") {
      const options = given(parseSweepOptions(args));
      if (options.action !== "run" || options.queue !== undefined) {
        throw new UserError(
          `The command of ${path} is sweep ${args.join(" ")}; expected sweep run, without --queue`,
        );
      }
      const [file] = options.operands;
      if (!files.some((known) => known.path === file)) {
        throw new UserError(
          `The command of ${path} runs ${file}: expected that file among its files`,
        );
      }
      return {
        run: (out, making, moved) =>
          runSweep({ ...options, ...ANEW, fresh: true, workers: 1, out }, { ...making, moved }),
      };
    }
    if (name === "leaderboard") {
      const options = given(parseLeaderboardOptions(args));
      return {
        ...outsideOf(options),
        run: (out, making, moved) =>
          leaderboard({
            ...options,
            quantizers: options.quantizers.map((path) => moved.get(path) ?? path),
            ...{ ...ANEW, fresh: true, out },
          }, making),
      };
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UserError(`The command of ${path} cannot be run: ${error.message}`);
  }
  throw new UserError(
    `The command of ${path} is ${JSON.stringify(name)}; expected one that writes a manifest`,
  );
}

/** Nothing is taken from the cache, and little is said. */
const ANEW = { cache: false, quiet: true } as const;

function replayAgain(
  options: ReplayOptions,
  run: (options: ReplayOptions, making: Making) => Promise<number>,
): Again {
  const { calibration } = options;
  return {
    ...outsideOf(options),
    ...(calibration === undefined ? {} : { calibration }),
    run: (out, making, moved) => run({ ...withMoved(options, moved), ...ANEW, out }, making),
  };
}

/** How code of the user's is run outside the sandbox, where it is. */
function outsideOf({ trust, python }: QuantizerOptions): Pick<Again, "outside"> {
  if (trust) return { outside: "--trust" };
  return python === undefined ? {} : { outside: `--python ${python}` };
}

/** Options whose files are where they were put. */
function withMoved(options: ReplayOptions, moved: ReadonlyMap<string, string>): ReplayOptions {
  const { kvtunerTable } = options;
  const place = (path: string) => moved.get(path) ?? path;
  const policy = (text: string) => {
    const { name, groupSize } = nameAndGroup(text);
    return groupSize === undefined ? place(text) : grouped(place(name), groupSize);
  };
  return {
    ...options,
    policies: options.policies.map(policy),
    named: options.named.map(policy),
    quantizers: options.quantizers.map(place),
    ...(kvtunerTable === undefined ? {} : { kvtunerTable: place(kvtunerTable) }),
  };
}

/** That this is the program, as a whole, and that it was not interrupted. */
async function checkProgram(manifest: ReadManifest, path: string): Promise<void> {
  const { contract, source, project, partial } = manifest;
  if (partial) {
    throw new UserError(`The run of ${path} was interrupted: expected the manifest of a whole one`);
  }
  if (contract !== CONTRACT_VERSION) {
    throw new UserError(
      `${path} is of contract ${contract}, and this program of ${CONTRACT_VERSION}: use kvreplay ${project.version} at commit ${project.commit}`,
    );
  }
  const own = await programHash(VERSION);
  if (own === source) return;
  throw new UserError(
    `The source of this program has SHA-256 ${own}, and that of ${path} ${source}: use kvreplay ${project.version} at commit ${project.commit}`,
  );
}

/** That the command does nothing to this machine that its user did not allow here. */
function checkCommand(
  { files }: ReadManifest,
  { outside, calibration }: Again,
  { trust }: RerunOptions,
  path: string,
): void {
  if (outside !== undefined && !trust) {
    throw new UserError(
      `The command of ${path} has ${outside}: give rerun --trust if you trust what it runs`,
    );
  }
  if (calibration !== undefined && !files.some((file) => file.path === calibration)) {
    throw new UserError(
      `The command of ${path} would write ${calibration}: expected that file among its files`,
    );
  }
}

/** What may change digits and is not the program's. */
function* remarks({ versions, engine: { machines } }: ReadManifest): Generator<string> {
  for (const [name, here] of Object.entries(libraryVersions())) {
    const there = versions[name];
    if (there !== here) yield `The results are of ${name} ${there}, and here is ${here}`;
  }
  const here = machineText();
  // A GPU's name follows where one computed.
  if (!machines.some((there) => there.startsWith(here))) {
    yield `The results are of ${machines.join(" and ")}, and here is ${here}`;
  }
}

/**
 * Looks at the files that the command reads. Code that is not here is taken from the manifest.
 *
 * @returns where each that was taken from it is now
 * @throws {UserError} when a file is another
 */
async function inputs(
  files: readonly InputFile[],
  folder: string,
  inform: (sentence: string) => void,
): Promise<Map<string, string>> {
  const moved = new Map<string, string>();
  for (const [i, { path, sha256, text }] of files.entries()) {
    const here = await inputFile({ path }).catch((error) => {
      if (error instanceof UserError) return undefined;
      throw error;
    });
    if (here?.sha256 === sha256) continue;
    const other = here === undefined
      ? `There is no ${path} here that can be read`
      : `${path} has SHA-256 ${here.sha256}`;
    if (text === undefined) {
      throw new UserError(`${other}: expected the file with SHA-256 ${sha256}`);
    }
    const place = join(folder, String(i), basename(path));
    await Deno.mkdir(dirname(place));
    await Deno.writeTextFile(place, text);
    if ((await inputFile({ path: place })).sha256 !== sha256) {
      throw new UserError(`${other}, and the manifest's text of it has not SHA-256 ${sha256}`);
    }
    inform(`${other}: its text in the manifest is used`);
    moved.set(path, place);
  }
  return moved;
}

/** That models and data are those of the manifest. */
function checkFound(manifest: ReadManifest, found: Found, path: string): void {
  for (const { name, hash } of found.models) {
    const there = manifest.models.find((model) => model.name === name);
    if (there?.hash === hash) continue;
    const commit = there?.hub ? `, ${there.hub.name} at commit ${there.hub.commit}` : "";
    throw new UserError(
      `The model ${name} has fingerprint ${hash}, and that of ${path} ${there?.hash}${commit}`,
    );
  }
  for (const { name, sha256 } of found.slices) {
    const there = manifest.slices.find((slice) => slice.name === name);
    if (there?.sha256 === sha256) continue;
    throw new UserError(
      `The examples of ${name} have SHA-256 ${sha256}, and those of ${path} ${there?.sha256}`,
    );
  }
}

/** Stands for what is not there. */
const MISSING = Symbol("missing");

interface FileDifference extends Difference {
  readonly file: string;
}

/** The first difference between the results in two folders. */
async function firstDifferenceIn(
  before: string,
  now: string,
  seen: { numbers: number },
): Promise<FileDifference | undefined> {
  for (const file of [...COMPARED, ...await cellsIn(before)]) {
    const [was, is] = [await contentOf(before, file), await contentOf(now, file)];
    const cell = file.startsWith(CELLS);
    // A published result need not have every file, and cells of other runs may lie among its own.
    if (was === MISSING || (cell && is === MISSING)) continue;
    const found = firstDifference(was, is, seen);
    if (found !== undefined) return { file, ...found };
  }
}

async function cellsIn(folder: string): Promise<string[]> {
  try {
    const names = await Array.fromAsync(Deno.readDir(join(folder, CELLS)), ({ name }) => name);
    return names.filter((name) => name.endsWith(".json")).sort().map((name) => `${CELLS}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** What a file holds, line by line unless it is one value; cells without the hash of their times. */
async function contentOf(folder: string, file: string): Promise<unknown> {
  let text: string;
  try {
    text = await Deno.readTextFile(join(folder, file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return MISSING;
    throw error;
  }
  if (file.endsWith(".csv")) return text.split("\n");
  try {
    if (file.endsWith(".jsonl")) return text.trimEnd().split("\n").map((line) => JSON.parse(line));
    const value = JSON.parse(text);
    return file.startsWith(CELLS) ? { ...value, sha256: undefined } : value;
  } catch {
    throw new UserError(`${join(folder, file)} is no JSON; expected what a run wrote`);
  }
}

function sentence({ file, path, was, is }: FileDifference): string {
  const shown = (value: unknown) =>
    value === undefined || value === MISSING ? "nothing" : JSON.stringify(value).slice(0, 100);
  return `${[file, ...path].join(" > ")} was ${shown(was)}, and is ${shown(is)}`;
}
