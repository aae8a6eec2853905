/**
 * Whether any bytes and any change of a valid file give a value or one sentence, within bounded time
 * and memory.
 *
 * @module
 */
import fc from "fast-check";
import { bytesOf, type Input, inputs } from "./mutation.ts";
import { type ReaderName, readers } from "./readers.ts";
import type { Outcome, Task } from "./reading_worker.ts";

/** Nothing here takes a hundredth of it; what takes longer does not end. */
const LONGEST_MS = 30_000;
/** What a reader may hold on to, beyond what it was given. */
const MOST_BYTES = 512 * 2 ** 20;
/** More than that nobody reads. */
const LONGEST_SENTENCE = 2000;

/** How long something is fuzzed. */
export interface FuzzOptions {
  readonly seed: number;
  readonly runs: number;
  /** The thread that reads; default: that of the readers. */
  readonly worker?: URL;
  /** When a file counts as one that is read for ever; default 30 s. */
  readonly longestMs?: number;
}

/** The smallest input found that a reader does not stand. */
export interface Found {
  readonly wrong: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How it came about. */
  readonly input: Input;
}

/** Reads files in another thread. */
class Reading implements Disposable {
  #worker: Worker | undefined;

  constructor(
    private readonly url: URL = new URL("reading_worker.ts", import.meta.url),
    private readonly longestMs: number = LONGEST_MS,
  ) {}

  /**
   * What is wrong with what came of a file; undefined when nothing is.
   *
   * @param isValid whether it must give a value
   */
  async wrong(task: Task, isValid = false): Promise<string | undefined> {
    const before = held();
    const outcome = await this.#outcome(task);
    if ("wrong" in outcome) return outcome.wrong;
    if (isValid && "sentence" in outcome) return `A valid file is refused: ${outcome.sentence}`;
    const more = held() - before;
    if (more > MOST_BYTES) {
      this[Symbol.dispose]();
      return `It took ${more} bytes to read ${task.bytes.length}`;
    }
    return "sentence" in outcome ? wrongSentence(outcome.sentence) : undefined;
  }

  async #outcome(task: Task): Promise<Outcome> {
    const worker = this.#worker ??= await started(this.url);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const outcome = await new Promise<Outcome>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<Outcome>) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        resolve({ wrong: `Uncaught: ${event.message}` });
      };
      timer = setTimeout(
        () => resolve({ wrong: `It did not end within ${this.longestMs / 1000} s` }),
        this.longestMs,
      );
      worker.postMessage(task);
    });
    clearTimeout(timer);
    if ("wrong" in outcome) this[Symbol.dispose]();
    return outcome;
  }

  [Symbol.dispose](): void {
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}

/** Until it says that it is ready it loads its modules, which is not reading. */
async function started(url: URL): Promise<Worker> {
  const worker = new Worker(url, { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  return worker;
}

function held(): number {
  const { rss, external } = Deno.memoryUsage();
  return Math.max(rss, external);
}

function wrongSentence(sentence: string): string | undefined {
  const isOne = sentence.length > 0 && sentence.length <= LONGEST_SENTENCE &&
    !/[^.]\.$/.test(sentence.trimEnd()) && !/\n\s+at /.test(sentence);
  return isOne ? undefined : `No sentence: ${sentence.slice(0, 2 * LONGEST_SENTENCE)}`;
}

/** The smallest failure of a reader that was found, if any was. */
export async function fuzz(
  name: ReaderName,
  { seed, runs, worker, longestMs }: FuzzOptions,
): Promise<Found | undefined> {
  using reading = new Reading(worker, longestMs);
  const seeds = await readers[name].seeds();
  for (const bytes of seeds) {
    const wrong = await reading.wrong({ reader: name, bytes: bytes.slice() }, true);
    if (wrong !== undefined) return { wrong, bytes, input: bytes };
  }
  let last = "";
  const { counterexample } = await fc.check(
    fc.asyncProperty(inputs(seeds.length), async (input) => {
      const wrong = await reading.wrong({ reader: name, bytes: bytesOf(input, seeds) });
      if (wrong === undefined) return;
      last = wrong;
      throw new Error(wrong);
    }),
    // Every step of making it smaller may take the longest time.
    { seed, numRuns: runs, interruptAfterTimeLimit: 20 * LONGEST_MS },
  );
  if (counterexample === null) return undefined;
  const [input] = counterexample;
  // Whatever failed last is the smallest.
  return { wrong: last, bytes: bytesOf(input, seeds), input };
}
