/**
 * One example under a codec: what has to be coded is collected from the stores of all layers, and
 * goes through the two processes together.
 *
 * @module
 */
import type { CpuTensor } from "../quant/tensor.ts";
import type { KvKind } from "../quant/family.ts";
import { readBlocks } from "./block_entries.ts";
import { attentionReceived } from "./attention_received.ts";
import { firstTokens } from "./first_tokens.ts";
import type { BlockRun, BlockShape, CodedBlocks } from "./codec_process.ts";

/**
 * Entries of the blocks in one message: 512 KiB in float32, so that both processes work at once, on
 * memory that they find in their caches.
 */
const ENTRIES_IN_MESSAGE = 2 ** 17;

/** Entries in an example's first message; each that follows has twice as many as the one before. */
const ENTRIES_IN_FIRST = 2 ** 15;

/** Messages that a process is sent at most before it has answered. */
const SENT = 2;

/** Blocks that wait to be coded. */
export interface PendingRun extends BlockRun {
  /** Length of the snapshot in which they are coded first: blocks go in the order of time. */
  readonly since: number;
  /** The real tensor. */
  real(): Promise<CpuTensor>;
  /**
   * Takes what blocks of the run were coded as, and what was restored from that.
   * @param first token of the first of them
   */
  take(first: number, coded: CodedBlocks, restored: Float32Array<ArrayBuffer>): void;
}

/** What a codec may look at in a layer, once the stores of the layer are open. */
export interface ObservedLayer {
  readonly tokens: number;
  readonly queries: CpuTensor;
  readonly keys: CpuTensor;
  readonly values: CpuTensor;
}

/** The two processes, as an example sees them. */
export interface CodecDoor {
  readonly observes: boolean;
  readonly shape: BlockShape;
  begin(session: CodecSession): Promise<void>;
  ended(session: CodecSession): void;
  observe(
    session: CodecSession,
    layer: number,
    tokens: number,
    tensors: readonly [Floats, Floats, Floats, Floats],
  ): Promise<void>;
  encode(session: CodecSession, runs: readonly BlockRun[], data: Floats): Promise<CodedBlocks>;
  decode(session: CodecSession, runs: readonly BlockRun[], coded: CodedBlocks): Promise<Floats>;
}

type Floats = Float32Array<ArrayBuffer>;

/** The stores of one example, while they grow. */
export class CodecSession {
  readonly #joined = new Set<string>();
  readonly #left = new Set<string>();
  readonly #observed: (() => Promise<ObservedLayer>)[] = [];
  #pending: PendingRun[] = [];
  #begun: Promise<void> | undefined;
  /** Memory for the tensors of messages that are sent, and of the next, which are gathered meanwhile. */
  readonly #memory = Array.from(
    { length: SENT + 1 },
    () => new ArrayBuffer(4 * ENTRIES_IN_MESSAGE),
  );

  constructor(private readonly pair: CodecDoor) {}

  /** Whether the store of this layer and kind is among those of the session. */
  has(layer: number, kind: KvKind): boolean {
    return this.#joined.has(`${layer} ${kind}`);
  }

  /** Takes in a store. */
  join(layer: number, kind: KvKind): void {
    this.#joined.add(`${layer} ${kind}`);
  }

  /** Lets a store go; with the last of them the example ends. */
  leave(layer: number, kind: KvKind): void {
    this.#left.add(`${layer} ${kind}`);
    if (this.#left.size === this.#joined.size && this.#begun !== undefined) this.pair.ended(this);
  }

  /** Says how the prompt of a layer is looked at. */
  observe(layer: number, read: () => Promise<ObservedLayer>): void {
    this.#observed[layer] = read;
  }

  /** Adds blocks to what is coded next. */
  add(run: PendingRun): void {
    this.#pending.push(run);
  }

  /**
   * Codes and restores what was added.
   *
   * @throws {SandboxError} when the codec fails, or its example was ended by another
   */
  async settle(): Promise<void> {
    if (this.#pending.length === 0) return;
    const pending = this.#pending.sort((a, b) =>
      a.since - b.since || a.layer - b.layer || a.kind - b.kind || a.first - b.first
    );
    this.#pending = [];
    await (this.#begun ??= this.#begin());
    // Each process works on a message while it is sent the next, and the one after that is gathered.
    const coding: Promise<void>[] = [];
    const decoding: Promise<void>[] = [];
    const failures: unknown[] = [];
    const failed = (error: unknown) => void failures.push(error);
    for (const runs of messages(pending, this.pair.shape)) {
      const data = await gathered(runs, this.#memory[coding.length % this.#memory.length]!);
      await coding.at(-SENT);
      if (failures.length > 0) break;
      const coded = this.pair.encode(this, runs, data);
      coding.push(coded.then(() => {}, failed));
      decoding.push(
        Promise.all([coded, decoding.at(-SENT)])
          .then(([blocks]) => failures.length > 0 ? undefined : this.#decode(runs, blocks))
          .catch(failed),
      );
    }
    await Promise.all(decoding);
    // One process that fails ends the other: what came first says why.
    if (failures.length > 0) throw failures[0];
  }

  async #begin(): Promise<void> {
    await this.pair.begin(this);
    if (!this.pair.observes) return;
    for (const [layer, read] of this.#observed.entries()) {
      const { tokens, queries, keys, values } = await read();
      const prompt = (tensor: CpuTensor) => firstTokens(tensor, tokens);
      await this.pair.observe(this, layer, tokens, [
        prompt(queries),
        prompt(keys),
        prompt(values),
        attentionReceived(queries, keys, tokens),
      ]);
    }
  }

  async #decode(runs: readonly PendingRun[], { lengths, bytes }: CodedBlocks): Promise<void> {
    const restored = await this.pair.decode(this, runs, { lengths, bytes });
    const { heads, headDim } = this.pair.shape;
    let [block, byte, entry] = [0, 0, 0];
    for (const run of runs) {
      const ownLengths = lengths.subarray(block, block += run.count);
      const size = ownLengths.reduce((sum, length) => sum + length, 0);
      const own = { lengths: ownLengths, bytes: bytes.subarray(byte, byte += size) };
      const entries = run.count * run.tokens * heads * headDim;
      run.take(run.first, own, restored.subarray(entry, entry += entries));
    }
  }
}

/** Runs by messages, those of a step in messages of their own; one that is too long is cut. */
function* messages(
  pending: readonly PendingRun[],
  { heads, headDim }: BlockShape,
): Generator<PendingRun[]> {
  let runs: PendingRun[] = [];
  // Code that is new to both processes is slow at first: the decoder need not wait for all of that.
  let most = ENTRIES_IN_FIRST;
  let room = most;
  for (const run of pending) {
    // A quantizer can read the whole message that a block is in: what a later step stores is in none
    // with what an earlier step restores.
    if (runs.length > 0 && run.since !== runs[0]!.since) {
      yield runs;
      runs = [];
      room = most;
    }
    const entries = heads * run.tokens * headDim;
    for (let done = 0; done < run.count;) {
      const fits = Math.min(run.count - done, Math.floor(room / entries));
      const count = fits === 0 && runs.length === 0 ? 1 : fits;
      if (count > 0) {
        runs.push({ ...run, first: run.first + done * run.tokens, count });
        room -= count * entries;
        done += count;
      }
      if (done === run.count) break;
      yield runs;
      runs = [];
      most = Math.min(2 * most, ENTRIES_IN_MESSAGE);
      room = most;
    }
  }
  if (runs.length > 0) yield runs;
}

/**
 * The real entries of blocks, one block after the other, `[heads, tokens, headDim]` each.
 *
 * @param memory for them, where they find room in it
 */
async function gathered(
  runs: readonly PendingRun[],
  memory: ArrayBuffer,
): Promise<Float32Array<ArrayBuffer>> {
  const tensors: CpuTensor[] = [];
  for (const run of runs) tensors.push(await run.real());
  const entries = runs.reduce(
    (sum, { tokens, count }, r) => sum + count * tokens * tensors[r]!.heads * tensors[r]!.headDim,
    0,
  );
  const fits = 4 * entries <= memory.byteLength;
  const all = fits ? new Float32Array(memory, 0, entries) : new Float32Array(entries);
  let at = 0;
  for (const [r, run] of runs.entries()) {
    const { heads, headDim } = tensors[r]!;
    readBlocks(tensors[r]!, run, all, at);
    at += run.count * heads * run.tokens * headDim;
  }
  return all;
}
