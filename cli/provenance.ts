/**
 * What a command's results are made from, for its manifest.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { libraryVersions, projectCommit } from "../leaderboard/project_facts.ts";
import { programHash } from "../leaderboard/source_hash.ts";
import { CONTRACT_VERSION } from "../policies/contract.ts";
import { nameAndGroup } from "../policies/group_size.ts";
import { isBuiltinName } from "../policies/registry.ts";
import type { Found, InputFile, Made, Provenance } from "../report/manifest.ts";
import { VOLATILE } from "../report/volatile.ts";
import type { ReplayOptions } from "./replay_options.ts";
import { VERSION } from "./version.ts";

/** How a command was given, and who is told what it found. */
export interface Making {
  /** The command's name and its arguments. */
  readonly command: readonly string[];
  /**
   * Is given models and data before anything is computed with them, where results are written; what
   * it throws ends the run.
   */
  readonly found?: (found: Found) => void;
}

/** Options that say where results and caches go, and how much is told. */
const PLACES = ["out", "cache-limit"];
const SWITCHES = ["no-cache", "cache", "quiet", "resume", "fresh"];

/** Bytes of a file whose text is kept in the manifest. */
const LONGEST_TEXT = 2 ** 18;

/** A file or folder that a command reads. */
interface Input {
  readonly path: string;
  /** Whether its text is kept. */
  readonly kept?: true;
}

/** What results are made from; the parameters are those of `made`. */
export async function provenance(...parameters: Parameters<typeof made>): Promise<Provenance> {
  return {
    project: { name: "kvreplay", version: VERSION, commit: await projectCommit() },
    contract: CONTRACT_VERSION,
    ...await made(...parameters),
    versions: libraryVersions(),
    volatile: VOLATILE,
  };
}

/**
 * What has to be run to make results again.
 *
 * @param device that the model was run on
 * @param leaving further options that say nothing of what is computed
 */
export async function made(
  { command }: Making,
  device: string,
  files: readonly InputFile[],
  leaving: readonly string[] = [],
): Promise<Made> {
  return {
    command: [...withoutOptions(command, [...PLACES, "device", ...leaving]), "--device", device],
    source: await programHash(VERSION),
    files,
  };
}

/**
 * Arguments without some options that have values, and without the switches above.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { withoutOptions } from "./provenance.ts";
 *
 * assertEquals(withoutOptions(["needle", "--out=a", "--limit", "2", "--quiet", "--out", "b"], ["out"]), [
 *   ...["needle", "--limit", "2"],
 * ]);
 * ```
 */
export function withoutOptions(args: readonly string[], valued: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [name, value] = args[i]!.startsWith("--") ? args[i]!.slice(2).split("=", 2) : [];
    if (name === undefined) kept.push(args[i]!);
    else if (valued.includes(name)) i += value === undefined ? 1 : 0;
    else if (!SWITCHES.includes(name)) kept.push(args[i]!);
  }
  return kept;
}

/**
 * Files and folders that a replay's options name.
 *
 * @param learned whether the file of what is learned offline is among them: it may be written, not read
 */
export async function inputsOf(options: ReplayOptions, learned: boolean): Promise<Input[]> {
  const { policies, quantizers, kvtunerTable, data, calibrationData, tokenizer } = options;
  const code = [
    ...policies.filter((policy) => !isBuiltinName(policy)).map((path) => nameAndGroup(path).name),
    ...(kvtunerTable === undefined ? [] : [kvtunerTable]),
  ];
  const others = [data, calibrationData, tokenizer, learned ? options.calibration : undefined];
  return [
    ...code.map((path): Input => ({ path, kept: true })),
    ...await quantizerInputs(quantizers),
    ...others.filter((path) => path !== undefined).map((path): Input => ({ path })),
  ];
}

/** Files of quantizers, and the WebAssembly beside them. */
export async function quantizerInputs(quantizers: readonly string[]): Promise<Input[]> {
  const beside = quantizers.map((path) => path.replace(/\.\w+$/, ".wasm"));
  const there = await Promise.all(beside.map(isThere));
  return [
    ...quantizers.map((path): Input => ({ path, kept: true })),
    ...beside.filter((_, i) => there[i]).map((path): Input => ({ path })),
  ];
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/** Files and folders with their sizes and hashes. */
export async function inputFiles(inputs: readonly Input[]): Promise<InputFile[]> {
  return await Promise.all(inputs.map(inputFile));
}

/** A file or folder with its size and hash. */
export async function inputFile({ path, kept }: Input): Promise<InputFile> {
  const { bytes, sha256 } = await hashOfPath(path);
  const text = kept && bytes <= LONGEST_TEXT ? await textOf(path) : undefined;
  return { path, bytes, sha256, ...(text === undefined ? {} : { text }) };
}

/**
 * Size and SHA-256 of a file, or of the names and hashes of the files in a folder.
 *
 * @throws {UserError} when it cannot be read
 */
async function hashOfPath(path: string): Promise<{ bytes: number; sha256: string }> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return await hashOfFile(path);
    const files: { name: string; bytes: number; sha256: string }[] = [];
    for await (const { name } of Deno.readDir(path)) {
      const file = join(path, name);
      if (await isThere(file)) files.push({ name, ...await hashOfFile(file) });
    }
    files.sort((a, b) => a.name < b.name ? -1 : 1);
    const hash = createHash("sha256");
    for (const { name, sha256 } of files) hash.update(`${sha256} ${name}\n`);
    return { bytes: files.reduce((sum, file) => sum + file.bytes, 0), sha256: hash.digest("hex") };
  } catch (error) {
    throw new UserError(`Cannot read ${path}: ${(error as Error).message}`);
  }
}

async function hashOfFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  using file = await Deno.open(path);
  for await (const chunk of file.readable) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** A file's text; undefined when it is none. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
