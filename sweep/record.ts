/**
 * What a shard leaves beside its cells: which sweep it is of, made by which program, and what became
 * of every cell so far. A line says what it is of, and each line behind it what became of a cell: a
 * shard that is killed leaves what it had done, and goes on in the same file when it is started again.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { openOutputFolder, writeAll } from "../report/output_folder.ts";
import {
  cellText,
  checkedSweep,
  isCell,
  type SweepCell,
  type SweepDefinition,
  sweepId,
} from "./definition.ts";
import type { Shard } from "./shards.ts";

const FORMAT = "kvreplay sweep 2";

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

/** A record that grows. */
export class RecordFile implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #outcomes: Map<string, Recorded>;

  private constructor(path: string, outcomes: readonly Recorded[]) {
    this.#file = Deno.openSync(path, { append: true });
    this.#outcomes = new Map(outcomes.map((outcome) => [cellText(outcome.cell), outcome]));
  }

  /**
   * Opens the record of a shard: that which is there, if it is of the same sweep and program, else a
   * new one in its place.
   *
   * @param fresh whether it is begun anew whatever is there
   */
  static async open(
    folder: string,
    about: Omit<ShardRecord, "outcomes">,
    fresh = false,
  ): Promise<RecordFile> {
    const path = `${folder}/${FOLDER}/${recordName(about.shard)}`;
    const before = fresh ? undefined : await readRecord(path).catch((error) => {
      // Damaged, or of an earlier version: cells are found by their own names.
      if (error instanceof UserError || error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    });
    const goesOn = before !== undefined && isSame(before.program, about.program) &&
      await sweepId(before.sweep) === await sweepId(about.sweep);
    const outcomes = goesOn ? before.outcomes : [];
    // Where another process has it open, both add to it.
    if (!goesOn || before.isTorn) writeRecord(folder, { ...about, outcomes });
    return new RecordFile(path, outcomes);
  }

  /** What became of cells, also before this process. */
  get outcomes(): ReadonlyMap<string, Recorded> {
    return this.#outcomes;
  }

  /** Adds what became of a cell; the last that is said of it counts. */
  add(outcome: Recorded): void {
    const name = cellText(outcome.cell);
    if (JSON.stringify(this.#outcomes.get(name)) === JSON.stringify(outcome)) return;
    this.#outcomes.set(name, outcome);
    try {
      const bytes = new TextEncoder().encode(`${JSON.stringify(outcome)}\n`);
      for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
      this.#file.syncDataSync();
    } catch (error) {
      throw new UserError(`Cannot write what became of ${name}: ${(error as Error).message}`);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Writes the record of a shard; never leaves half of one. */
export function writeRecord(folder: string, { outcomes, ...about }: ShardRecord): void {
  const lines = [{ format: FORMAT, ...about }, ...outcomes].map((line) => JSON.stringify(line));
  openOutputFolder(`${folder}/${FOLDER}`);
  writeAll(`${folder}/${FOLDER}`, { [recordName(about.shard)]: `${lines.join("\n")}\n` });
}

function recordName({ index, count }: Shard): string {
  return `${index}-of-${count}.jsonl`;
}

/** Whether two programs come to the same numbers. */
export function isSame(a: SweepProgram, b: SweepProgram): boolean {
  return a.version === b.version && otherSource(a, b) === undefined;
}

/** A policy whose sources differ. */
export function otherSource(a: SweepProgram, b: SweepProgram): string | undefined {
  return Object.keys(a.sources).find((name) => a.sources[name] !== b.sources[name]);
}

/**
 * The records of all shards that wrote to a folder, in the order of their names.
 *
 * @throws {UserError} when there is none, or one is no record
 */
export async function readRecords(folder: string): Promise<ShardRecord[]> {
  const records: ShardRecord[] = [];
  for (const name of recordNames(folder)) {
    records.push(await readRecord(`${folder}/${FOLDER}/${name}`));
  }
  if (records.length > 0) return records;
  throw new UserError(
    `${folder} holds no shard of a sweep; expected the --out of a "sweep run", with ${FOLDER}/*.jsonl in it`,
  );
}

function recordNames(folder: string): string[] {
  try {
    return [...Deno.readDirSync(`${folder}/${FOLDER}`)]
      .filter(({ name, isFile }) => isFile && /^\d+-of-\d+\.jsonl$/.test(name))
      .map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}

/** A record, and whether its last line is half a one. */
async function readRecord(path: string): Promise<ShardRecord & { readonly isTorn: boolean }> {
  const { size } = await Deno.stat(path);
  if (size > MOST_BYTES) {
    throw new UserError(`${path} has ${size} bytes; a record has at most ${MOST_BYTES}`);
  }
  const text = await Deno.readTextFile(path);
  return { ...recordOf(text, path), isTorn: !text.endsWith("\n") };
}

/**
 * A record from its text.
 *
 * @throws {UserError} for what is none
 */
function recordOf(text: string, path: string): ShardRecord {
  const wrong = (what: string) => new UserError(`${path} ${what}; expected the record of a shard`);
  // What stands behind the last end of a line was being written when its process was killed.
  const [first = "", ...lines] = text.split("\n").slice(0, -1);
  const about = lineOf(first);
  if (about === undefined) throw wrong("does not begin with a line of JSON");
  if (about.format !== FORMAT) throw wrong(`is no "${FORMAT}"`);
  const { sweep, program, shard } = about;
  if (!isObject(sweep)) throw wrong("holds no sweep");
  if (!isObject(program) || !isProgram(program)) throw wrong("does not say which program ran it");
  if (!isObject(shard) || !isIndex(shard.index) || !isIndex(shard.count)) {
    throw wrong("does not say which shard it is of");
  }
  const outcomes = new Map<string, Recorded>();
  for (const [i, line] of lines.entries()) {
    const outcome = lineOf(line);
    if (outcome === undefined || !isRecorded(outcome)) {
      throw wrong(`has no outcome in line ${i + 2}`);
    }
    const recorded = outcome as unknown as Recorded;
    outcomes.set(cellText(recorded.cell), recorded);
  }
  return {
    sweep: checkedSweep(sweep, path),
    program: program as unknown as SweepProgram,
    shard: { index: shard.index as number, count: shard.count as number },
    outcomes: [...outcomes.values()],
  };
}

function lineOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
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
