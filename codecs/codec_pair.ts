/**
 * A codec in its two processes: the one that encodes knows the tensors, the one that decodes only what
 * it is sent.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import type { BudgetState } from "../policies/policy.ts";
import { launchChild, type SandboxOptions } from "../sandbox/child.ts";
import { DEFAULT_LIMITS, limitsWith, type SandboxLimits } from "../sandbox/limits.ts";
import { SandboxError } from "../sandbox/sandbox_error.ts";
import type { KvKind } from "../quant/family.ts";
import type { FullRule } from "./block_rule.ts";
import type { CodecModel } from "./codec.ts";
import { notTriedAgain, type ShownLayer, ShownPrompt } from "./shown_prompt.ts";
import { remarksOnMethods } from "./codec_methods.ts";
import { CurrentExample, type EndedTogether, orEnded } from "./current_example.ts";
import {
  type BlockRun,
  type BlockShape,
  CodecProcess,
  type CodecRunner,
  type CodecSource,
  type CodedBlocks,
  type ExampleFacts,
  realmRunner,
} from "./codec_process.ts";
import { type CodecDoor, CodecSession } from "./codec_session.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Floats = Float32Array<ArrayBuffer>;

/**
 * What a codec may use unless others are given: a message holds up to 512 KiB of tensors, and a run as
 * many as there are.
 */
export const CODEC_LIMITS: SandboxLimits = {
  ...DEFAULT_LIMITS,
  stepMs: 30_000,
  runMs: 3_600_000,
  memoryMib: 1024,
  messageBytes: 2 ** 26,
};

/** Bytes of a file beyond which there may be more in it than code. */
const LARGE_FILE = 2 ** 16;

/** The run's first blocks, and what became of them. */
interface FirstBlocks {
  readonly runs: readonly BlockRun[];
  readonly data: Floats;
  readonly coded: CodedBlocks;
  /** What the encoder was shown before them; undefined where it is too much to keep. */
  readonly shown: readonly ShownLayer[] | undefined;
  readonly facts: ExampleFacts | undefined;
  restored?: Floats;
}

/** A codec, loaded twice. */
export class CodecPair implements CodecDoor, EndedTogether {
  readonly #example: CurrentExample<CodecSession>;
  #model: CodecModel | undefined;
  #lesson: Bytes = new Uint8Array(0);
  #rules: readonly [FullRule, FullRule] | undefined;
  /** The run's first blocks; they are coded again at its end, since that takes time from the run. */
  #first: FirstBlocks | undefined;
  #check: Promise<void> | undefined;
  /** What the encoder was shown before the run's first blocks; undefined where it is too much to keep. */
  #shown: ShownPrompt | undefined;
  #excess = 0;
  #closing: Promise<unknown> | undefined;
  #notTried: readonly string[] = [];
  /** What the next example is about; the processes of a codec in TypeScript are not told. */
  facts: ExampleFacts | undefined;
  failed: unknown;

  private constructor(
    readonly name: string,
    private readonly runner: CodecRunner,
    private readonly wasm: Bytes | undefined,
    /** What the codec may use, and make the evaluator do. */
    readonly limits: SandboxLimits,
    private readonly encoder: CodecProcess,
    private readonly decoder: CodecProcess,
    private readonly methods: readonly string[],
    private readonly unasked: readonly string[],
  ) {
    this.#example = new CurrentExample(name, () => new CodecSession(this));
  }

  /**
   * Starts both processes.
   *
   * @throws {PolicyError} when the codec lacks a method, or has a field in place of one
   * @throws {SandboxError} when it cannot be loaded or exceeds a limit
   */
  static async open(source: CodecSource, options: SandboxOptions = {}): Promise<CodecPair> {
    const limits = limitsWith({ ...CODEC_LIMITS, ...options.limits });
    const runner = realmRunner(options.launch ?? launchChild, source);
    const { name, wasm } = source;
    return await CodecPair.start(name, runner, limits, wasm === undefined ? {} : { wasm });
  }

  /**
   * Starts both processes, however they are started.
   *
   * @param unasked what was said of the codec's methods before
   * @throws {PolicyError} when the codec lacks a method, or has a field in place of one
   * @throws {SandboxError} when it cannot be loaded or exceeds a limit
   */
  static async start(
    name: string,
    runner: CodecRunner,
    limits: SandboxLimits,
    { wasm, unasked = [] }: { readonly wasm?: Bytes; readonly unasked?: readonly string[] } = {},
  ): Promise<CodecPair> {
    const opened = await Promise.allSettled(
      [0, 1].map(() => CodecProcess.open(runner, wasm, limits)),
    );
    const close = () =>
      Promise.all(opened.map((one) => one.status === "fulfilled" ? one.value.process.close() : 0));
    const failed = opened.find((one) => one.status === "rejected");
    if (failed !== undefined) {
      await close();
      throw failed.reason;
    }
    const [encoder, decoder] = opened.map((one) =>
      (one as PromiseFulfilledResult<Awaited<ReturnType<typeof CodecProcess.open>>>).value
    );
    try {
      const remarks = [...unasked, ...remarksOnMethods(name, encoder!.started)];
      const { methods } = encoder!.started;
      const processes = [encoder!.process, decoder!.process] as const;
      return new CodecPair(name, runner, wasm, limits, ...processes, methods, remarks);
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Process ids of the encoder and the decoder, for tests that look at them from outside. */
  get pids(): readonly [number, number] {
    return [this.encoder.pid, this.decoder.pid];
  }

  /** What a reader of its numbers should know, one clause each. */
  get remarks(): readonly string[] {
    const bytes = this.runner.hello.source.length + (this.wasm?.length ?? 0);
    const large = bytes <= LARGE_FILE ? [] : [uncounted(bytes)];
    return [...large, ...this.unasked, ...this.#notTried];
  }

  /** Whether its processes are good for one example. */
  get startsOften(): boolean {
    return this.runner.once;
  }

  /** Whether the codec looks at prompts. */
  get observes(): boolean {
    return this.methods.includes("observe");
  }

  /** Whether the codec learns offline. */
  get calibrates(): boolean {
    return this.methods.includes("calibrate");
  }

  /** What the codec learned; its bytes are a constant of the model. */
  get lesson(): Bytes {
    return this.#lesson;
  }

  /** Heads and channels of a block. */
  get shape(): BlockShape {
    const { kv_heads: heads, head_dim: headDim } = this.#known(this.#model);
    return { heads, headDim };
  }

  /** How keys and values are cut. */
  get rules(): readonly [FullRule, FullRule] {
    return this.#known(this.#rules);
  }

  /** Says which model's cache is coded; once, before everything else. */
  async prepare(model: CodecModel): Promise<void> {
    if (this.#rules !== undefined) return;
    this.#model = model;
    await this.#reset();
    if (!this.calibrates) this.#beginNext();
  }

  /**
   * Lets the codec learn, after `prepare`.
   *
   * @param tokens drawn from all samples
   * @param samples keys and values of every layer, `[kv_heads, tokens, head_dim]` each
   */
  async calibrate(tokens: number, samples: readonly Floats[]): Promise<void> {
    const model = this.#known(this.#model);
    const lesson = await orEnded(this, () => this.encoder.calibrate(model, tokens, samples));
    this.#lesson = lesson.slice();
    // How blocks are cut may be part of what was learned.
    this.#rules = undefined;
    await this.#reset();
    this.#beginNext();
  }

  /** The session that a store of this layer and kind belongs to: each example has one. */
  sessionFor(layer: number, kind: KvKind): CodecSession {
    const session = this.#example.sessionFor(layer, kind);
    session.join(layer, kind);
    return session;
  }

  /** Begins an example. */
  async begin(session: CodecSession): Promise<void> {
    this.#example.check(session);
    this.#excess = 0;
    if (this.#first === undefined) this.#shown = new ShownPrompt(this.limits.heldMib);
    await this.#reset();
  }

  /** Shows the prompt of a layer to the encoder. */
  async observe(
    session: CodecSession,
    layer: number,
    tokens: number,
    tensors: readonly [Floats, Floats, Floats, Floats],
  ): Promise<void> {
    this.#example.check(session);
    if (this.#first === undefined) this.#shown?.add({ layer, tokens, tensors });
    await orEnded(this, () => this.encoder.observe(layer, tokens, tensors));
  }

  /** Says that the stores of an example are free: both processes begin the next one. */
  ended(session: CodecSession): void {
    if (this.#example.is(session)) this.#beginNext();
  }

  /** Codes blocks. */
  async encode(
    session: CodecSession,
    runs: readonly BlockRun[],
    data: Floats,
  ): Promise<CodedBlocks> {
    this.#example.check(session);
    const coded = await orEnded(this, () => this.encoder.encode(runs, this.shape, data));
    await orEnded(this, () => this.#hold(coded.bytes.length - data.byteLength));
    if (this.#first === undefined) {
      const { layers } = this.#shown ?? {};
      this.#shown = undefined;
      this.#first = { runs, data: data.slice(), coded, shown: layers, facts: this.facts };
    }
    return coded;
  }

  /** Restores blocks from their bytes. */
  async decode(
    session: CodecSession,
    runs: readonly BlockRun[],
    coded: CodedBlocks,
  ): Promise<Floats> {
    this.#example.check(session);
    const restored = await orEnded(this, () => this.decoder.decode(runs, this.shape, coded));
    if (this.#first?.runs === runs) this.#first.restored = restored.slice();
    return restored;
  }

  /**
   * Compares the run's first blocks with what a third process codes them as, and restores from that.
   *
   * @throws {SandboxError} `not deterministic`, when they were coded into other bytes, or others were
   *   restored from the same bytes
   */
  async verifyDeterminism(): Promise<void> {
    const first = this.#first;
    await (this.#check ??= first === undefined ? undefined : this.#again(first));
  }

  /** Ends both processes. */
  async close(): Promise<void> {
    await (this.#closing ??= Promise.allSettled([
      this.encoder.close(),
      this.decoder.close(),
      this.#check,
    ]));
  }

  /** Lets both processes begin the next example while nobody waits for it. */
  #beginNext(): void {
    if (this.#closing !== undefined) return;
    for (const process of [this.encoder, this.decoder]) {
      process.begin(this.#known(this.#model), this.#lesson);
    }
  }

  /** Begins anew in both processes, which must cut blocks alike, and as before. */
  async #reset(): Promise<void> {
    const given = this.#known(this.#model);
    // The decoder must learn everything else from bytes that are counted.
    const { encoder, decoder } = this;
    const told = [[encoder, this.facts], [decoder, sharedFacts(this.facts)]] as const;
    await orEnded(this, async () => {
      const rules = await Promise.all(
        told.map(([process, facts]) => process.reset(given, this.#lesson, facts)),
      );
      this.#rules ??= rules[0]!;
      const known = JSON.stringify(this.#rules);
      if (rules.every((some) => JSON.stringify(some) === known)) return;
      const other = rules.find((some) => JSON.stringify(some) !== known)!;
      throw new SandboxError(
        "not deterministic",
        `Asked for blocks() again, it answered ${JSON.stringify(other)} instead of ${known}`,
      );
    });
  }

  /** Codes and restores the same blocks in a process that has seen nothing else. */
  async #again({ runs, data, coded, shown, facts, restored }: FirstBlocks): Promise<void> {
    if (shown === undefined) {
      this.#notTried = [notTriedAgain(this.limits)];
      return;
    }
    const model = this.#known(this.#model);
    const { process } = await CodecProcess.open(this.runner, this.wasm, this.limits);
    try {
      await process.reset(model, this.#lesson, facts);
      for (const { layer, tokens, tensors } of shown) {
        await process.observe(layer, tokens, tensors);
      }
      const bytes = await process.encode(runs, this.shape, data);
      if (!sameBytes(bytes, coded)) throw differs(coded, "returned other bytes");
      if (restored === undefined) return;
      await process.reset(model, this.#lesson, sharedFacts(facts));
      const entries = await process.decode(runs, this.shape, coded);
      if (same(bits(entries), bits(restored))) return;
      throw differs(coded, "restored other entries from the same bytes");
    } finally {
      await process.close();
    }
  }

  /** Counts what the blocks of an example take beyond their tensors in float32: it is held till its end. */
  #hold(bytes: number): Promise<void> {
    this.#excess += Math.max(0, bytes);
    const { heldMib } = this.limits;
    if (this.#excess <= heldMib * 2 ** 20) return Promise.resolve();
    const mib = (this.#excess / 2 ** 20).toFixed(1);
    return Promise.reject(
      new SandboxError(
        "rejected",
        `What encode() returned in one example takes ${mib} MiB more than its tensors in float32, ` +
          `where at most ${heldMib} are held (--policy-held-mib)`,
      ),
    );
  }

  #known<V>(value: V | undefined): V {
    if (value !== undefined) return value;
    throw new InternalError(`Codec ${this.name} was used before it was told the model`);
  }
}

/** What is the same for every example. */
function sharedFacts(facts: ExampleFacts | undefined): ExampleFacts | undefined {
  if (facts === undefined) return undefined;
  const { budget_bits, layers, kv_heads, head_dim } = facts.budget;
  return { request: {}, budget: { budget_bits, layers, kv_heads, head_dim } as BudgetState };
}

function uncounted(bytes: number): string {
  return `its file, with the WebAssembly beside it, has ${
    (bytes / 2 ** 20).toFixed(2)
  } MiB, which ` +
    `no number counts: tables in it are known to decode() and not stored`;
}

function differs({ lengths }: CodedBlocks, what: string): SandboxError {
  return new SandboxError(
    "not deterministic",
    `Given the run's first ${lengths.length} blocks in a fresh process, it ${what}`,
  );
}

function sameBytes(a: CodedBlocks, b: CodedBlocks): boolean {
  return same(a.lengths, b.lengths) && same(a.bytes, b.bytes);
}

function same(x: ArrayLike<number>, y: ArrayLike<number>): boolean {
  if (x.length !== y.length) return false;
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}

/** Entries as they stand in memory: zeros of either sign are told apart. */
function bits({ buffer, byteOffset, length }: Floats): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}
