/**
 * The file of a sweep, and the program that runs it.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { projectCommit } from "../leaderboard/project_facts.ts";
import { sourceHash } from "../leaderboard/source_hash.ts";
import { readUpTo } from "../policies/read_up_to.ts";
import { parseSweep, type SweepDefinition } from "../sweep/definition.ts";
import type { SweepProgram } from "../sweep/record.ts";
import { VERSION } from "./version.ts";

/** Bytes of a sweep's file; a device may have no end. */
const LONGEST = 4_000_000;

/**
 * Reads a sweep's file.
 *
 * @throws {UserError} when it cannot be read, or says what no sweep does
 */
export async function readSweep(path: string): Promise<SweepDefinition> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readUpTo(path, LONGEST);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    throw new UserError(`Cannot read the sweep ${path}: ${error.message}`);
  }
  if (bytes === undefined) {
    throw new UserError(`The sweep ${path} has more than ${LONGEST} bytes; a sweep has fewer`);
  }
  return parseSweep(new TextDecoder().decode(bytes), path);
}

/** This program, as far as the numbers of a sweep depend on it. */
export async function programOf(sweep: SweepDefinition): Promise<SweepProgram> {
  return { version: VERSION, commit: await projectCommit(), sources: await sourcesOf(sweep) };
}

/** Hash of the source that decides each policy's numbers. */
export async function sourcesOf({ policies }: SweepDefinition): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const policy of policies) hashes[policy] = await sourceHash(policy, VERSION);
  return hashes;
}
