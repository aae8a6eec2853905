/**
 * What a shard leaves beside its cells: which sweep it is of, made by which program, and what became
 * of every cell so far. It is written anew after each cell, as a whole, so that a shard that is killed
 * leaves what it had done.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { openOutputFolder, writeAll } from "../report/output_folder.ts";
import { checkedSweep, isCell, type SweepCell, type SweepDefinition } from "./definition.ts";
import type { Shard } from "./shards.ts";

const FORMAT = "kvreplay sweep 1";

/** A record of more bytes is none. */
const MOST_BYTES = 256 * 2 ** 20;

/** Folder of records, beside `cells`. */
const FOLDER = "shards";

/** What became of a cell. */
export type Recorded =
  | { readonly cell: SweepCell; readonly kind: "finished"; readonly file: string }
  | {
    readonly cell: SweepCell;
    readonly kind: "failed" | "not applicable";
    /** One sentence. */
    readonly reason: string;
  };

/** The program that ran a shard. */
export interface SweepProgram {
  readonly version: string;
  /** Of the checkout, or `unknown`. */
  readonly commit: string;
  /** Hash of the source that decides each policy's numbers. */
  readonly sources: Readonly<Record<string, string>>;
}

/** A shard and what became of its cells. */
export interface ShardRecord {
  readonly sweep: SweepDefinition;
  readonly program: SweepProgram;
  readonly shard: Shard;
  readonly outcomes: readonly Recorded[];
}

/** Writes the record of a shard; never leaves half of one. */
export function writeRecord(folder: string, record: ShardRecord): void {
  const { index, count } = record.shard;
  openOutputFolder(`${folder}/${FOLDER}`);
  const text = JSON.stringify({ format: FORMAT, ...record }, undefined, 1);
  writeAll(`${folder}/${FOLDER}`, { [`${index}-of-${count}.json`]: `${text}\n` });
}

/**
 * The records of all shards that wrote to a folder, in the order of their names.
 *
 * @throws {UserError} when there is none, or one is no record
 */
export async function readRecords(folder: string): Promise<ShardRecord[]> {
  const records: ShardRecord[] = [];
  for (const name of recordNames(folder)) {
    const path = `${folder}/${FOLDER}/${name}`;
    const { size } = await Deno.stat(path);
    if (size > MOST_BYTES) {
      throw new UserError(`${path} has ${size} bytes; a record has at most ${MOST_BYTES}`);
    }
    records.push(recordOf(await Deno.readTextFile(path), path));
  }
  if (records.length > 0) return records;
  throw new UserError(
    `${folder} holds no shard of a sweep; expected the --out of a "sweep run", with ${FOLDER}/*.json in it`,
  );
}

function recordNames(folder: string): string[] {
  try {
    return [...Deno.readDirSync(`${folder}/${FOLDER}`)]
      .filter(({ name, isFile }) => isFile && /^\d+-of-\d+\.json$/.test(name))
      .map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}

function recordOf(text: string, path: string): ShardRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UserError(`${path} is not JSON; expected the record of a shard`);
  }
  const wrong = (what: string) => new UserError(`${path} ${what}; expected the record of a shard`);
  if (!isObject(value) || value.format !== FORMAT) throw wrong(`is no "${FORMAT}"`);
  const { sweep, program, shard, outcomes } = value;
  if (!isObject(sweep)) throw wrong("holds no sweep");
  if (!isObject(program) || !isProgram(program)) throw wrong("does not say which program ran it");
  if (!isObject(shard) || !isIndex(shard.index) || !isIndex(shard.count)) {
    throw wrong("does not say which shard it is of");
  }
  if (!Array.isArray(outcomes)) throw wrong("has no outcomes");
  const bad = outcomes.findIndex((outcome) => !isRecorded(outcome));
  if (bad >= 0) throw wrong(`has an outcome, the ${bad + 1}., that is none`);
  return {
    sweep: checkedSweep(sweep, path),
    program: program as unknown as SweepProgram,
    shard: { index: shard.index as number, count: shard.count as number },
    outcomes: outcomes as Recorded[],
  };
}

function isProgram({ version, commit, sources }: Record<string, unknown>): boolean {
  return typeof version === "string" && typeof commit === "string" && isObject(sources) &&
    Object.values(sources).every((hash) => typeof hash === "string");
}

function isIndex(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isRecorded(value: unknown): boolean {
  if (!isObject(value) || !isCell(value.cell)) return false;
  const { kind, file, reason } = value;
  // A name, not a path to somewhere else.
  if (kind === "finished") return typeof file === "string" && /^[\w.-]+\.json$/.test(file);
  return (kind === "failed" || kind === "not applicable") && typeof reason === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
