/**
 * One of a codec's two processes: the one that encodes, or the one that decodes.
 *
 * @module
 */
import type { LaunchChild } from "../sandbox/child.ts";
import { ChildLink } from "../sandbox/child_link.ts";
import type { SandboxLimits } from "../sandbox/limits.ts";
import { answerOf, spoilt } from "../sandbox/reply_answer.ts";
import { RunTime } from "../sandbox/run_time.ts";
import { SandboxError } from "../sandbox/sandbox_error.ts";
import type { Hello } from "../sandbox/child_main.ts";
import type { BudgetState, RequestMeta } from "../policies/policy.ts";
import { FRESH_REALM } from "../sandbox/worker_main.ts";
import { shown } from "../sandbox/shown.ts";
import { KV_KINDS } from "../quant/family.ts";
import { DEFAULT_RULE, type FullRule } from "./block_rule.ts";
import { bytesOf } from "./bytes_of.ts";
import type { CodecModel } from "./codec.ts";
import { methodsIn, OPTIONAL_CODEC_METHODS, REQUIRED_CODEC_METHODS } from "./codec_methods.ts";
import { codecGuest } from "./codec_guest.ts";
import type { CodecQuestion, CodecStarted } from "./codec_realm.ts";

/** A codec's text. */
export interface CodecSource {
  /** Name under which results are reported. */
  readonly name: string;
  readonly text: string;
  /** TypeScript (types are erased, enums compiled) or plain JavaScript. */
  readonly language: "ts" | "js";
  /** The WebAssembly beside it. */
  readonly wasm?: Uint8Array<ArrayBuffer>;
}

/** Consecutive blocks of one layer and kind. */
export interface BlockRun {
  readonly layer: number;
  /** 0 for keys, 1 for values. */
  readonly kind: 0 | 1;
  /** First token of the first block. */
  readonly first: number;
  /** Tokens of one block. */
  readonly tokens: number;
  /** Blocks. */
  readonly count: number;
}

/** What the blocks of a message were coded as. */
export interface CodedBlocks {
  /** Bytes of every block. */
  readonly lengths: Uint32Array<ArrayBuffer>;
  /** The blocks, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Shape of the blocks of a message. */
export interface BlockShape {
  readonly heads: number;
  readonly headDim: number;
}

type Bytes = Uint8Array<ArrayBuffer>;
type Floats = Float32Array<ArrayBuffer>;

const HEADER = 8;
/** A reply's bytes before what was asked for. */
const REPLY_HEADER = 4;
const encoder = new TextEncoder();

/** How the processes of a codec are started. */
export interface CodecRunner {
  /** Starts one, its standard streams piped. */
  start(limits: SandboxLimits): Deno.ChildProcess;
  /** What it is told first. */
  readonly hello: Pick<Hello, "source" | "language">;
  /** Whether a process is good for one example: nothing in it can be made afresh. */
  readonly once: boolean;
}

/** A codec in realms of the sandbox. */
export function realmRunner(launch: LaunchChild, { text, language }: CodecSource): CodecRunner {
  return {
    start: (limits) => launch(limits, codecGuest),
    hello: { source: text, language },
    once: false,
  };
}

/** What is told of an example beside its tensors: to the encoder all, to the decoder what all share. */
export interface ExampleFacts {
  readonly request: Partial<RequestMeta>;
  readonly budget: Partial<BudgetState>;
}

/** An example that was begun. */
interface Begun {
  readonly lesson: Bytes;
  /** How keys and values are cut. */
  readonly rules: readonly [FullRule, FullRule];
}

/** A process that holds a codec. */
export class CodecProcess {
  readonly #time: RunTime;
  #link: ChildLink;
  #used = false;
  #closed = false;
  /** Memory for what is restored by a question, and by the next. */
  readonly #restored = [new Uint8Array(0), new Uint8Array(0)];
  /** When the reply to the last question is there. */
  #replied = Promise.resolve();
  /** The next example is begun meanwhile; what comes of it, where it can be. */
  #ahead: Promise<Begun | undefined> | undefined;

  private constructor(
    private readonly runner: CodecRunner,
    private readonly wasm: Bytes | undefined,
    private readonly limits: SandboxLimits,
  ) {
    this.#time = new RunTime(limits);
    this.#link = this.#start();
  }

  /**
   * Starts a process and loads the codec into it.
   *
   * @param wasm that lies beside the codec
   * @returns the process, and which methods the codec has
   * @throws {SandboxError} when it cannot be loaded or exceeds a limit
   */
  static async open(
    runner: CodecRunner,
    wasm: Bytes | undefined,
    limits: SandboxLimits,
  ): Promise<{ process: CodecProcess; started: CodecStarted }> {
    const process = new CodecProcess(runner, wasm, limits);
    try {
      return { process, started: await process.#load() };
    } catch (error) {
      await process.close();
      throw error;
    }
  }

  /** Process id, for tests that look at the process from outside. */
  get pid(): number {
    return this.#link.pid;
  }

  /**
   * Begins an example in a realm made afresh, so that nothing of an earlier one is left; at once,
   * where it was begun ahead.
   *
   * @returns how keys and values are cut
   */
  async reset(
    model: CodecModel,
    lesson: Bytes,
    facts?: ExampleFacts,
  ): Promise<readonly [FullRule, FullRule]> {
    const begun = await this.#meanwhile();
    if (begun !== undefined && begun.lesson === lesson) return begun.rules;
    await this.#renew();
    return await this.#reset(model, lesson, facts);
  }

  /**
   * Begins the next example while nobody waits for it, as far as can be: a process that is good for one
   * example is told what that is about.
   */
  begin(model: CodecModel, lesson: Bytes): void {
    this.#ahead = this.#begin(model, lesson, this.#ahead);
    // What goes wrong is told when something is asked next.
    this.#ahead.catch(() => {});
  }

  async #begin(
    model: CodecModel,
    lesson: Bytes,
    before: Promise<unknown> | undefined,
  ): Promise<Begun | undefined> {
    await before;
    if (!this.runner.once) return { lesson, rules: await this.#reset(model, lesson) };
    await this.#renew();
    return undefined;
  }

  /** Waits for what is done meanwhile; what is asked next makes something else of it. */
  async #meanwhile(): Promise<Begun | undefined> {
    const begun = await this.#ahead;
    this.#ahead = undefined;
    return begun;
  }

  async #reset(model: CodecModel, lesson: Bytes, facts?: ExampleFacts): Promise<Begun["rules"]> {
    const { wasm } = this;
    const question: CodecQuestion = {
      ask: "reset",
      model: sizes(model),
      lesson: lesson.length,
      wasm: wasm?.length ?? -1,
      ...facts,
    };
    const parts = wasm === undefined ? [lesson] : [lesson, wasm];
    return rulesOf(await this.#answer(question, parts, "blocks()", FRESH_REALM));
  }

  /** Shows the prompt of a layer: queries, keys, values and scores. */
  async observe(
    layer: number,
    tokens: number,
    tensors: readonly [Floats, Floats, Floats, Floats],
  ): Promise<void> {
    const [q, k, v, s] = tensors;
    const entries = [q.length, k.length, v.length, s.length] as const;
    const what = `observe(${layer})`;
    await this.#answer({ ask: "observe", layer, tokens, entries }, tensors.map(bytesOf), what);
  }

  /**
   * Learns from `samples`, keys and values of every layer, `[kv_heads, tokens, head_dim]` each.
   *
   * @returns the lesson
   */
  async calibrate(model: CodecModel, tokens: number, samples: readonly Floats[]): Promise<Bytes> {
    const { wasm } = this;
    const question: CodecQuestion = {
      ask: "calibrate",
      model: sizes(model),
      lesson: 0,
      wasm: wasm?.length ?? -1,
      tokens,
    };
    // Floats first: they must begin at a multiple of four bytes.
    const parts = [...samples.map(bytesOf), ...(wasm === undefined ? [] : [wasm])];
    return await this.#bytes(question, parts, "calibrate()", FRESH_REALM);
  }

  /**
   * Codes blocks.
   *
   * @param data of all blocks, one after the other, `[heads, tokens, headDim]` each
   */
  async encode(runs: readonly BlockRun[], shape: BlockShape, data: Floats): Promise<CodedBlocks> {
    const blocks = runs.reduce((sum, { count }) => sum + count, 0);
    const what = `encode() of ${blocks} blocks`;
    const reply = await this.#bytes(question("encode", runs, shape), [bytesOf(data)], what);
    if (reply.length < 4 * blocks) throw spoilt(what);
    const lengths = new Uint32Array(reply.buffer, reply.byteOffset, blocks);
    const bytes = reply.subarray(4 * blocks);
    if (lengths.reduce((sum, length) => sum + length, 0) !== bytes.length) throw spoilt(what);
    return { lengths, bytes };
  }

  /**
   * Restores blocks from their bytes.
   *
   * @returns all blocks, one after the other, `[heads, tokens, headDim]` each, until the call after the next
   */
  async decode(
    runs: readonly BlockRun[],
    shape: BlockShape,
    { lengths, bytes }: CodedBlocks,
  ): Promise<Floats> {
    const what = `decode() of ${lengths.length} blocks`;
    const given = [bytesOf(lengths), bytes];
    const room = (bytes: number) => this.#room(bytes);
    const reply = await this.#bytes(question("decode", runs, shape), given, what, 0, room);
    const perToken = shape.heads * shape.headDim;
    const entries = runs.reduce((sum, run) => sum + run.count * run.tokens * perToken, 0);
    if (reply.length !== 4 * entries) throw spoilt(what);
    return new Float32Array(reply.buffer, reply.byteOffset, entries);
  }

  /** Kills the process, if it runs still, and waits for its end. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#link.close();
  }

  #start(): ChildLink {
    return new ChildLink(() => this.runner.start(this.limits), this.limits);
  }

  async #load(): Promise<CodecStarted> {
    const reply = await this.#link.hello(this.runner.hello);
    return startedWith(answerOf(reply, "its list of methods", this.limits, "codec"));
  }

  /** Takes another process for an example, where one is good for one. */
  async #renew(): Promise<void> {
    if (!this.#used || !this.runner.once || this.#closed) return;
    await this.#link.close();
    // It may have been closed for good meanwhile; then asking says so.
    if (this.#closed) return;
    this.#link = this.#start();
    this.#used = false;
    await this.#load();
  }

  #room(bytes: number): Bytes {
    const memory = this.#restored.reverse();
    if (bytes > memory[0]!.length) memory[0] = new Uint8Array(bytes);
    return memory[0]!.subarray(0, bytes);
  }

  async #bytes(
    question: CodecQuestion,
    parts: readonly Bytes[],
    what: string,
    fresh = 0,
    room?: (bytes: number) => Bytes,
  ): Promise<Bytes> {
    const reply = await this.#ask(question, parts, what, fresh, room);
    if (reply.length < REPLY_HEADER || reply[0] !== 0) {
      answerOf(new TextDecoder().decode(reply), what, this.limits, "codec");
      throw spoilt(what);
    }
    return reply.subarray(REPLY_HEADER);
  }

  async #answer(
    question: CodecQuestion,
    parts: readonly Bytes[],
    what: string,
    fresh = 0,
  ): Promise<unknown> {
    const reply = await this.#ask(question, parts, what, fresh);
    return answerOf(new TextDecoder().decode(reply), what, this.limits, "codec");
  }

  async #ask(
    question: CodecQuestion,
    parts: readonly Bytes[],
    what: string,
    fresh: number,
    room?: (bytes: number) => Bytes,
  ): Promise<Bytes> {
    const text = encoder.encode(JSON.stringify(question));
    const head = new Uint8Array(HEADER + 4 * Math.ceil(text.length / 4));
    head[0] = fresh;
    new DataView(head.buffer).setUint32(4, text.length, true);
    head.set(text, HEADER);
    const { stepMs, calibrateMs } = this.limits;
    const ms = question.ask === "calibrate" ? calibrateMs : stepMs;
    if (question.ask !== "reset") {
      await this.#meanwhile();
      this.#used = true;
    }
    // It is sent at once; its time begins with the reply to the one before.
    const reply = this.#link.send([head, ...parts], room);
    const before = this.#replied;
    const replied = Promise.withResolvers<void>();
    this.#replied = replied.promise;
    try {
      await before;
      return await this.#time.within(ms, (left) => reply(left, `No answer to ${what}`));
    } finally {
      replied.resolve();
    }
  }
}

function sizes({ layers, query_heads, kv_heads, head_dim }: CodecModel): Omit<CodecModel, "wasm"> {
  return { layers, query_heads, kv_heads, head_dim };
}

function question(
  ask: "encode" | "decode",
  runs: readonly BlockRun[],
  { heads, headDim }: BlockShape,
): CodecQuestion {
  const numbers = ({ layer, kind, first, tokens, count }: BlockRun) =>
    [layer, kind, first, tokens, count] as const;
  return { ask, heads, headDim, runs: runs.map(numbers) };
}

/** What the codec has. */
function startedWith(value: unknown): CodecStarted {
  const started = Object(value) as Partial<Record<keyof CodecStarted, unknown>>;
  const missing = REQUIRED_CODEC_METHODS.find((name) => name === started.missing);
  const field = OPTIONAL_CODEC_METHODS.find((name) => name === started.field);
  return {
    ...(missing === undefined ? {} : { missing }),
    ...(field === undefined ? {} : { field }),
    methods: methodsIn(started),
  };
}

/** Largest number that a rule may name: no model has as many positions. */
const MOST = 2 ** 24;

function rulesOf(value: unknown): readonly [FullRule, FullRule] {
  if (!Array.isArray(value) || value.length > KV_KINDS.length) throw spoilt("blocks()");
  const rule = (kind: 0 | 1): FullRule => {
    if (value.length === 0) return DEFAULT_RULE;
    const given: unknown = value[kind];
    const call = `blocks("${KV_KINDS[kind]}")`;
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      throw new SandboxError(
        "rejected",
        `${call} returned ${shown(given)}; expected an object such as { tokens: 32 }`,
      );
    }
    const unknown = Object.keys(given).find((name) => !Object.hasOwn(DEFAULT_RULE, name));
    if (unknown !== undefined) {
      throw new SandboxError(
        "rejected",
        `${call} names ${shown(unknown)}; expected ${Object.keys(DEFAULT_RULE).join(", ")}`,
      );
    }
    const full = { ...DEFAULT_RULE, ...given } as FullRule;
    for (const name of Object.keys(DEFAULT_RULE) as (keyof FullRule)[]) {
      const [number, least] = [full[name], name === "tokens" ? 1 : 0];
      if (Number.isInteger(number) && number >= least && number <= MOST) continue;
      throw new SandboxError(
        "rejected",
        `${call} has ${name} ${shown(number)}; expected a whole number from ${least} to ${MOST}`,
      );
    }
    return full;
  };
  return [rule(0), rule(1)];
}
