/**
 * Worker processes of one machine, each with a model of its own. A worker that ends in the middle of a
 * cell, killed or out of memory, is replaced; what becomes of the cell is the source's to say.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import { cellText, type SweepCell } from "./definition.ts";
import { linesOf } from "./text_lines.ts";
import type { WorkerAnswer, WorkerSetup } from "./worker.ts";

/** Where cells come from, and where what became of them goes. */
export interface CellSource {
  /** The next cell for a worker; waits for one, and is undefined when there is none to come. */
  take(worker: number): Promise<SweepCell | undefined>;
  /** A cell is there, failed, or does not apply. */
  finish(answer: WorkerAnswer): Promise<void>;
  /** A worker ended while it ran a cell; the reason is a sentence. */
  crash(cell: SweepCell, reason: string): Promise<void>;
}

/** What a crew is given. */
export interface CrewOptions {
  readonly workers: number;
  readonly setup: WorkerSetup;
  /** Starts a worker, all three streams piped. */
  launch(worker: number): Deno.ChildProcess;
  /** Takes a line that a worker wrote to standard error. */
  notice(line: string): void;
  /** Called when a worker begins a cell, and with undefined when it is done with it. */
  readonly busy?: (worker: number, cell: SweepCell | undefined) => void;
}

/** Runs all cells of a source. */
export async function runCrew(source: CellSource, options: CrewOptions): Promise<void> {
  const members = Array.from({ length: options.workers }, (_, i) => new Member(i, options));
  try {
    await Promise.all(members.map((member) => member.run(source)));
  } finally {
    await Promise.all(members.map((member) => member.end()));
  }
}

/** One place of a crew: a process, and the next one where it ends. */
class Member {
  #process: WorkerProcess | undefined;

  constructor(private readonly index: number, private readonly options: CrewOptions) {}

  async run(source: CellSource): Promise<void> {
    for (;;) {
      const cell = await source.take(this.index);
      if (cell === undefined) return;
      this.#process ??= new WorkerProcess(this.options.launch(this.index), this.options);
      this.options.busy?.(this.index, cell);
      const answer = await this.#process.ask(cell);
      this.options.busy?.(this.index, undefined);
      if (typeof answer === "string") {
        this.#process = undefined;
        await source.crash(cell, answer);
      } else {
        await source.finish(answer);
      }
    }
  }

  async end(): Promise<void> {
    await this.#process?.end();
  }
}

class WorkerProcess {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<void>;
  #lastLine = "";

  constructor(child: Deno.ChildProcess, { setup, notice }: CrewOptions) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#answers = linesOf(child.stdout).getReader();
    this.#stderr = this.#listen(notice);
    this.#write(setup);
  }

  async #listen(notice: (line: string) => void): Promise<void> {
    for await (const line of linesOf(this.#child.stderr)) {
      this.#lastLine = line;
      notice(line);
    }
  }

  #write(message: unknown): void {
    // A worker that has ended is found out when its answer is waited for.
    this.#writer.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`)).catch(() => {});
  }

  /** What became of a cell, or how the process ended in a sentence. */
  async ask(cell: SweepCell): Promise<WorkerAnswer | string> {
    this.#write(cell);
    const { value, done } = await this.#answers.read();
    if (done) {
      const { code, signal } = await this.#child.status;
      await this.#stderr;
      const how = signal === null ? `code ${code}` : signal;
      const last = this.#lastLine === "" ? "" : `: ${this.#lastLine}`;
      return `The worker ended with ${how} while it ran ${cellText(cell)}${last}`;
    }
    const answer: WorkerAnswer = JSON.parse(value);
    if (cellText(answer.cell) === cellText(cell)) return answer;
    throw new InternalError(
      `A worker was asked for ${cellText(cell)} and answered ${cellText(answer.cell)}`,
    );
  }

  async end(): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#answers.cancel();
    await this.#child.status;
    await this.#stderr;
  }
}
