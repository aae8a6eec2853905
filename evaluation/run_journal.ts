/**
 * What is finished of a run, on disk, so that a run that was stopped goes on from there: a file that
 * grows by a line for every example. A line is its digest and JSON; one that was not written to its end
 * is cut off.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import type { PolicyState } from "./policy_run.ts";
import type { NamedOutcome } from "./results.ts";

/** Changes when lines mean something else. */
const FORMAT = 2;
/** Hexadecimal digits of a line's digest. */
const DIGEST = 16;

/** One example that every policy is done with. */
export interface FinishedExample {
  readonly id: string;
  /** Why it was left out; the rest is empty then. */
  readonly refused?: string;
  readonly policies: readonly {
    readonly policy: string;
    readonly outcome: NamedOutcome;
    /** What the policy's run knew when it was done. */
    readonly state: PolicyState;
  }[];
  /** Policies that failed at it. */
  readonly failures: readonly { readonly policy: string; readonly reason: string }[];
}

/** The file of one run, held until it is closed. */
export class RunJournal implements Disposable {
  private constructor(
    private readonly file: Deno.FsFile,
    private readonly path: string,
    /** What an earlier run has finished, in the order of its examples. */
    readonly finished: readonly FinishedExample[],
  ) {}

  /**
   * Opens a journal, and empties one that is another run's.
   *
   * @param key what decides the results of the run
   * @returns undefined when another process writes to it
   * @throws {UserError} when it cannot be read or written
   */
  static async open(path: string, key: string): Promise<RunJournal | undefined> {
    let file: Deno.FsFile | undefined;
    try {
      await Deno.mkdir(dirname(path), { recursive: true });
      file = await Deno.open(path, { read: true, write: true, create: true });
      if (!await isAlone(file)) {
        file.close();
        return undefined;
      }
      const lines = linesIn(await Deno.readFile(path));
      const [head, ...rest] = lines;
      const header = { format: FORMAT, key };
      const isOurs = head !== undefined && head.text === JSON.stringify(header);
      await file.truncate(isOurs ? lines.at(-1)!.end : 0);
      await file.seek(0, Deno.SeekMode.End);
      const finished = isOurs ? rest.map(({ text }): FinishedExample => JSON.parse(text)) : [];
      const journal = new RunJournal(file, path, finished);
      if (!isOurs) journal.#write(header);
      return journal;
    } catch (error) {
      file?.close();
      throw error instanceof UserError ? error : cannotKeep(path, error);
    }
  }

  /**
   * Adds an example.
   *
   * @throws {UserError} when it cannot be written
   */
  add(example: FinishedExample): void {
    this.#write(example);
  }

  #write(value: unknown): void {
    const text = JSON.stringify(value);
    let rest: Uint8Array = encoder.encode(`${digestOf(text)} ${text}\n`);
    try {
      while (rest.length > 0) rest = rest.subarray(this.file.writeSync(rest));
    } catch (error) {
      throw cannotKeep(this.path, error);
    }
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}

const encoder = new TextEncoder();

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, DIGEST);
}

/** Where nothing can be locked, nobody else is looked for. */
async function isAlone(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    return true;
  }
}

function cannotKeep(path: string, error: unknown): UserError {
  return new UserError(
    `Cannot keep what is finished of the run in ${path}: ${(error as Error).message}`,
  );
}

/** The whole lines at the start of a file, each with where it ends in bytes. */
function linesIn(bytes: Uint8Array): { text: string; end: number }[] {
  const lines: { text: string; end: number }[] = [];
  for (let start = 0;;) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) return lines;
    const line = new TextDecoder().decode(bytes.subarray(start, end));
    const text = line.slice(DIGEST + 1);
    if (line.slice(0, DIGEST) !== digestOf(text)) return lines;
    start = end + 1;
    lines.push({ text, end: start });
  }
}
