/**
 * The evaluator's end of the pipe to a sandbox's process: one question at a time, one reply within a
 * time, or the process is killed and says why no more.
 *
 * @module
 */
import { InternalError, UserError } from "../errors.ts";
import type { Hello } from "./child_main.ts";
import { type Frame, FRAME_KINDS, frameCodec, type FrameReader } from "./frame.ts";
import type { SandboxLimits } from "./limits.ts";
import { quoted, SandboxError } from "./sandbox_error.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** UTF-8 bytes that one UTF-16 unit of a reply can take. */
const BYTES_PER_UNIT = 3;
const encoder = new TextEncoder();
/** Last bytes of standard error that are kept, to tell an exhausted heap from another crash. */
const STDERR_BYTES = 4096;
/** How long last words are waited for: a process that it has started may hold its output open. */
const LAST_WORDS_MS = 1000;
/** How much later than the evaluator the process itself ends what takes too long. */
const AFTER_MS = 1000;
const NO_NONCE = new Uint8Array(16);
/** Bytes of a question that is sent in one piece; a longer one would cost more to copy than to send. */
const ONE_PIECE = 2 ** 16;

/** A running sandbox process. */
export class ChildLink {
  readonly #child: Deno.ChildProcess;
  readonly #codec = frameCodec();
  readonly #reader: FrameReader;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #stdout: ReadableStreamBYOBReader;
  /** Memory for what is read at once: as much as a pipe holds. */
  #piece = new Uint8Array(2 ** 16);
  /** Memory for the replies that have not begun to come, the next first. */
  readonly #rooms: (((bytes: number) => Bytes) | undefined)[] = [];
  /** Messages that came with the one before them. */
  readonly #arrived: Frame[] = [];
  readonly #stderr: Tail;
  readonly #nonce = crypto.getRandomValues(new Uint8Array(16));
  #seq = 0;
  /** Questions that are open. */
  #open = 0;
  /** Whether one's reply is waited for. */
  #awaited = false;
  #failed: SandboxError | undefined;
  #closed: Promise<void> | undefined;

  /**
   * @param start starts the process, its three standard streams piped
   * @throws {PolicyError} when this program may not start processes
   */
  constructor(start: () => Deno.ChildProcess, private readonly limits: SandboxLimits) {
    this.#child = start();
    this.#reader = this.#codec.reader(
      this.#nonce,
      BYTES_PER_UNIT * limits.messageBytes + STDERR_BYTES,
      (bytes) => this.#rooms.shift()?.(bytes) ?? new Uint8Array(bytes),
    );
    this.#writer = this.#child.stdin.getWriter();
    this.#stdout = this.#child.stdout.getReader({ mode: "byob" });
    this.#stderr = new Tail(this.#child.stderr, STDERR_BYTES);
  }

  /** Process id, for tests that look at the process from outside. */
  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Sends the guest's text and waits until it is loaded.
   * @returns the reply to the question `start`
   */
  async hello(policy: Pick<Hello, "source" | "language">): Promise<string> {
    const { startMs, stepMs, calibrateMs } = this.limits;
    const hello: Hello = {
      ...policy,
      nonce: Array.from(this.#nonce, (byte) => byte.toString(16).padStart(2, "0")).join(""),
      memoryBytes: this.limits.memoryMib * 2 ** 20,
      messageBytes: this.limits.messageBytes,
      longestMs: Math.max(startMs, stepMs, calibrateMs) + AFTER_MS,
    };
    const { hello: kind } = FRAME_KINDS;
    return this.#text(
      await this.#exchange(kind, [encoder.encode(JSON.stringify(hello))], startMs, "Not ready"),
    );
  }

  /**
   * Asks, and waits for the reply.
   *
   * @param ms how long the policy may take
   * @param awaited what is missing when it takes longer, for the error's sentence
   * @throws {SandboxError} when the process has ended or ends now; it is dead from then on
   */
  async ask(text: string, ms: number, awaited: string): Promise<string> {
    return this.#text(await this.askBytes([encoder.encode(text)], ms, awaited));
  }

  /** The same in bytes; the parts of a question are sent as one. */
  askBytes(question: readonly Bytes[], ms: number, awaited: string): Promise<Bytes> {
    return this.#exchange(FRAME_KINDS.ask, question, ms, awaited);
  }

  /**
   * Sends a question, be another one open or not.
   *
   * @param room memory for a reply of so many bytes; absent for memory of its own
   * @returns what waits for the reply, as `askBytes` does, once those of the questions before are there
   * @throws {SandboxError} when the process has ended
   */
  send(
    question: readonly Bytes[],
    room?: (bytes: number) => Bytes,
  ): (ms: number, awaited: string) => Promise<Bytes> {
    return this.#put(FRAME_KINDS.ask, question, room);
  }

  /** Kills the process, if it runs still, and waits for its end. */
  close(): Promise<void> {
    return this.#closed ??= this.#end();
  }

  async #exchange(
    kind: number,
    question: readonly Bytes[],
    ms: number,
    awaited: string,
  ): Promise<Bytes> {
    if (this.#open > 0) throw beforeIt(awaited);
    return await this.#put(kind, question)(ms, awaited);
  }

  #put(
    kind: number,
    question: readonly Bytes[],
    room?: (bytes: number) => Bytes,
  ): (ms: number, awaited: string) => Promise<Bytes> {
    if (this.#failed !== undefined) throw this.#failed;
    const seq = ++this.#seq;
    this.#open++;
    this.#rooms.push(room);
    // A process that has ended takes no more bytes; reading says how it ended.
    const sent = this.#send(kind, seq, question).catch(() => {});
    return (ms, awaited) => this.#reply(seq, sent, ms, awaited);
  }

  async #reply(seq: number, sent: Promise<void>, ms: number, awaited: string): Promise<Bytes> {
    if (this.#failed !== undefined) throw this.#failed;
    // Parts of a reply would reach whoever reads next.
    if (this.#awaited) throw beforeIt(awaited);
    this.#awaited = true;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#kill();
      // What it has started may hold its output open.
      this.#child.status.then(() => this.#stdout.cancel()).catch(() => {});
    }, ms);
    try {
      const frame = await this.#receive();
      await sent;
      if (frame === undefined || late) throw await this.#ending();
      return this.#accept(frame, seq);
    } catch (error) {
      const failure = late
        ? new SandboxError("timed out", `${awaited} within ${ms / 1000} s`)
        : explained(error as Error);
      this.#failed = failure;
      await this.close();
      throw failure;
    } finally {
      clearTimeout(timer);
      this.#awaited = false;
      this.#open--;
    }
  }

  /** Sends a question: in one piece, or what is large as it is, behind its header. */
  async #send(kind: number, seq: number, question: readonly Bytes[]) {
    const bytes = question.reduce((sum, part) => sum + part.length, 0);
    const pieces = bytes <= ONE_PIECE ? [joined(question, bytes)] : question;
    const [first = new Uint8Array(0), ...others] = pieces.filter((piece) => piece.length > 0);
    const message = this.#codec.encode(kind, seq, NO_NONCE, first, bytes - first.length);
    await Promise.all([message, ...others].map((piece) => this.#writer.write(piece)));
  }

  /**
   * The next message; undefined when the process has closed its standard output. More messages than
   * there are open questions are a violation.
   */
  async #receive(): Promise<Frame | undefined> {
    for (;;) {
      const frame = this.#arrived.shift();
      if (frame !== undefined) return frame;
      const { value, done } = await this.#stdout.read(this.#piece);
      if (done) return undefined;
      // Reading has moved the memory.
      this.#piece = new Uint8Array(value.buffer);
      this.#arrived.push(...this.#reader.push(value));
      const [messages, open] = [this.#arrived.length, this.#open];
      if (messages > open) {
        throw new UserError(`${messages} messages where ${open} were asked for`);
      }
    }
  }

  #accept({ kind, seq, body }: Frame, asked: number): Bytes {
    if (kind === FRAME_KINDS.end) throw endedBy(new TextDecoder().decode(body), this.limits);
    if (kind !== FRAME_KINDS.reply) throw new UserError(`A message of unknown kind ${kind}`);
    if (seq !== asked) throw new UserError(`A reply to question ${seq} instead of ${asked}`);
    return body;
  }

  /** A reply in text; bytes that are none break the protocol. */
  #text(reply: Uint8Array): string {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(reply);
    } catch (error) {
      throw this.#failed = explained(error as Error);
    }
  }

  /** How the process ended. */
  async #ending(): Promise<SandboxError> {
    const { code, signal } = await this.#child.status;
    const said = await this.#stderr.text(LAST_WORDS_MS);
    if (/out of memory|heap limit/i.test(said)) return outOfMemory(this.limits);
    return new SandboxError(
      "crashed",
      signal === null ? `Its process ended with exit code ${code}` : `Its process got ${signal}`,
    );
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  async #end(): Promise<void> {
    // deno-lint-ignore error-law/value -- it was closed from this side, and nothing is wrong
    this.#failed ??= new SandboxError("crashed", "Its process was closed");
    this.#kill();
    await this.#child.status;
    await Promise.allSettled([
      this.#writer.abort(),
      this.#stdout.cancel(),
      this.#stderr.cancel(),
    ]);
  }
}

function joined(parts: readonly Bytes[], bytes: number): Bytes {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function beforeIt(awaited: string): InternalError {
  return new InternalError(`${awaited}, and a question before it is open`);
}

function explained(error: Error): SandboxError {
  if (error instanceof SandboxError) return error;
  return new SandboxError("crashed", `It broke the message protocol (${error.message})`);
}

function outOfMemory({ memoryMib }: SandboxLimits): SandboxError {
  return new SandboxError("out of memory", `It took more than ${memoryMib} MiB`);
}

function endedBy(reason: string, limits: SandboxLimits): SandboxError {
  if (reason === "memory") return outOfMemory(limits);
  // deno-lint-ignore error-law/visible -- the sentence is the process's
  return new SandboxError("crashed", quoted(reason));
}

/** The last bytes of a stream. */
class Tail {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #read: Promise<void>;
  #kept = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>, private readonly most: number) {
    this.#reader = stream.getReader();
    this.#read = this.#keep().catch(() => {});
  }

  /** As text, once the stream has ended; after so many milliseconds as far as it has come. */
  async text(ms: number): Promise<string> {
    const timer = setTimeout(() => this.cancel(), ms);
    await this.#read;
    clearTimeout(timer);
    return new TextDecoder().decode(this.#kept);
  }

  /** Reads no more. */
  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }

  async #keep(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      const both = new Uint8Array(this.#kept.length + value.length);
      both.set(this.#kept);
      both.set(value, this.#kept.length);
      this.#kept = both.slice(-this.most);
    }
  }
}
