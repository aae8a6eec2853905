/**
 * One example under a quantizer in the tensor form: snapshots of all layers go through its process
 * together.
 *
 * @module
 */
import type { KvKind } from "../../quant/family.ts";
import { KV_KINDS } from "../../quant/family.ts";
import { firstTokens } from "../first_tokens.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import { turnBack } from "../../quant/stores/rope/rope_restore.ts";
import type { Prompt, TensorItem, TensorResult } from "./tensor_process.ts";

/** Entries of the tensors in one message, 8 MiB in float32; one that is longer goes alone. */
const ENTRIES_IN_MESSAGE = 2 ** 21;

/** A store's tensors, as they are read into cpu memory. */
export interface TensorReader {
  readonly layer: number;
  readonly kind: KvKind;
  readonly promptTokens: number;
  /** Keys after RoPE, or values. */
  real(): Promise<CpuTensor>;
  /** Queries after RoPE, where they are needed. */
  queries(): Promise<CpuTensor>;
  /** Keys before RoPE and rotary tables, where they are needed. */
  preRope(): Promise<{ keys: CpuTensor; cos: CpuTensor; sin: CpuTensor }>;
}

/** The process, as an example sees it. */
export interface TensorDoor {
  readonly observes: boolean;
  readonly preRope: boolean;
  begin(session: TensorSession): Promise<void>;
  observe(session: TensorSession, layer: number, tokens: number, prompt: Prompt): Promise<void>;
  quantize(session: TensorSession, items: readonly TensorItem[]): Promise<TensorResult[]>;
}

interface Pending {
  readonly reader: TensorReader;
  readonly tokens: number;
  take(result: TensorResult): void;
}

/** The stores of one example. */
export class TensorSession {
  readonly #readers = new Map<string, TensorReader>();
  #pending: Pending[] = [];
  #settled: Promise<void> = Promise.resolve();
  #begun = false;

  constructor(private readonly door: TensorDoor) {}

  /** Whether the store of this layer and kind is among those of the session. */
  has(layer: number, kind: KvKind): boolean {
    return this.#readers.has(`${layer} ${kind}`);
  }

  /** Takes in a store. */
  join(reader: TensorReader): void {
    this.#readers.set(`${reader.layer} ${reader.kind}`, reader);
  }

  /** Adds a snapshot to what is quantized next. */
  add(pending: Pending): void {
    this.#pending.push(pending);
  }

  /**
   * Quantizes and restores what was added, in the order of time, then of layers, keys first.
   *
   * @throws {SandboxError} when the quantizer fails
   */
  settle(): Promise<void> {
    const pending = this.#pending.sort((a, b) =>
      a.tokens - b.tokens || a.reader.layer - b.reader.layer ||
      KV_KINDS.indexOf(a.reader.kind) - KV_KINDS.indexOf(b.reader.kind)
    );
    this.#pending = [];
    // Every store of a step waits for what the first of them has begun.
    if (pending.length > 0) this.#settled = this.#settled.then(() => this.#quantize(pending));
    return this.#settled;
  }

  async #quantize(pending: readonly Pending[]): Promise<void> {
    if (!this.#begun) await this.#begin();
    for (let at = 0; at < pending.length;) {
      const items: TensorItem[] = [];
      let room = ENTRIES_IN_MESSAGE;
      const first = at;
      for (; at < pending.length; at++) {
        const { reader: { layer, kind, promptTokens, real }, tokens } = pending[at]!;
        const tensor = await real();
        const { heads, headDim } = tensor;
        room -= heads * tokens * headDim;
        if (items.length > 0 && room < 0) break;
        const data = firstTokens(tensor, tokens);
        items.push({ layer, kind, promptTokens, tokens, heads, headDim, data });
      }
      const results = await this.door.quantize(this, items);
      for (const [i, result] of results.entries()) pending[first + i]!.take(result);
    }
  }

  async #begin(): Promise<void> {
    this.#begun = true;
    await this.door.begin(this);
    if (!this.door.observes) return;
    const layers = [...this.#readers.values()].filter(({ kind }) => kind === "key")
      .sort((a, b) => a.layer - b.layer);
    for (const reader of layers) {
      const { layer, promptTokens } = reader;
      const prompt = (tensor: CpuTensor): CpuTensor => ({
        ...tensor,
        capacity: promptTokens,
        data: firstTokens(tensor, promptTokens),
      });
      const turned = prompt(await reader.queries());
      const { keys, ...rope } = this.door.preRope
        ? await reader.preRope()
        : { keys: await reader.real() };
      if ("cos" in rope) turnBack(undefined, turned, { from: 0, to: promptTokens }, rope);
      await this.door.observe(this, layer, promptTokens, [
        turned,
        prompt(keys),
        prompt(await this.#readers.get(`${layer} value`)!.real()),
      ]);
    }
  }
}
