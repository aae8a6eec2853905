/**
 * The full-precision run of one question, for people who want to look.
 *
 * @module
 */
import type { Engine } from "../engine/engine.ts";
import { UserError } from "../errors.ts";
import { PolicyError } from "../policies/check.ts";
import type { CpuTensor, KvShape } from "../quant/tensor.ts";
import { addPreRopeKeys, addQueries, freeReference, type Reference } from "../replay/reference.ts";
import { Rotary } from "../engine/rotary.ts";

/**
 * Tensors of one layer in cpu memory, every token of prompt and answer but the last.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { type LayerTensors, open } from "@kvreplay/kvreplay";
 *
 * // RoPE turns pairs of channels: no key gets longer or shorter.
 * const norms = ({ key, preRopeKey }: LayerTensors) =>
 *   [key, preRopeKey].map(({ data }) => Math.hypot(...data));
 * await using lab = await open("mini", { device: "cpu" });
 * using reference = await lab.reference({ prompt: "A machine uses 7 watts. Why?" }, 4);
 * const [after, before] = norms(await reference.layer(0));
 * assertAlmostEquals(after!, before!, 1e-3);
 * ```
 */
export interface LayerTensors {
  /** Keys after RoPE, as they are cached, `[kvHeads, tokens, headDim]`. */
  readonly key: CpuTensor;
  /** Values, `[kvHeads, tokens, headDim]`. */
  readonly value: CpuTensor;
  /** Keys before RoPE, `[kvHeads, tokens, headDim]`. */
  readonly preRopeKey: CpuTensor;
  /** Queries after RoPE, `[queryHeads, tokens, headDim]`. */
  readonly query: CpuTensor;
}

/**
 * What the model computed for one question.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type ReferenceView } from "@kvreplay/kvreplay";
 *
 * // Logits of one step: the largest is that of the token that was taken.
 * const logitsAt = ({ logits, tokens }: ReferenceView, step: number) => {
 *   const vocabulary = logits.length / tokens.length;
 *   return logits.subarray(step * vocabulary, (step + 1) * vocabulary);
 * };
 * await using lab = await open("mini", { device: "cpu" });
 * using reference = await lab.reference({ prompt: "A machine uses 7 watts. Why?" }, 4);
 * const last = logitsAt(reference, 3);
 * assertEquals(last.indexOf(Math.max(...last)), reference.tokens[3]);
 * ```
 */
export class ReferenceView implements Disposable {
  readonly #engine: Engine;
  readonly #reference: Reference<KvShape>;
  readonly #rope: Rotary<KvShape>;
  #freed = false;

  /** Token ids of the rendered prompt. */
  readonly prompt: readonly number[];
  /** Token ids of the answer, its end token included when there was one. */
  readonly tokens: readonly number[];
  /** The answer as text, special tokens left out. */
  readonly reply: string;
  /** Logits of every step of the answer, `[tokens of the answer, vocabulary]`. */
  readonly logits: Float32Array;
  /** Wall time of the prefill, in milliseconds. */
  readonly prefillMs: number;

  /**
   * Made by `Lab.reference`.
   *
   * @ignore
   */
  constructor(
    engine: Engine,
    reference: Reference<KvShape>,
    decode: (ids: readonly number[]) => string,
    private readonly inTurn: <V>(work: () => Promise<V>) => Promise<V>,
  ) {
    this.#engine = engine;
    this.#reference = reference;
    this.#rope = new Rotary(engine, reference.prompt.length + reference.tokens.length);
    this.prompt = reference.prompt;
    this.tokens = reference.tokens;
    this.reply = decode(reference.tokens);
    this.logits = reference.logits;
    this.prefillMs = reference.prefillMs;
  }

  /**
   * The tensors of a layer.
   *
   * @param layer from 0
   * @throws {PolicyError} for a layer that the model does not have
   * @throws {UserError} once the tensors are freed, or the lab is closed
   */
  layer(layer: number): Promise<LayerTensors> {
    if (this.#freed) {
      return Promise.reject(
        new UserError(`Layer ${layer} is freed with its reference; ask for the reference again`),
      );
    }
    return this.inTurn(() => this.#read(layer));
  }

  async #read(layer: number): Promise<LayerTensors> {
    const kv = this.#reference.layers[layer];
    if (kv === undefined) {
      throw new PolicyError(
        `There is no layer ${layer}; the model has ${this.#reference.layers.length}, counted from 0`,
      );
    }
    const { backend } = this.#engine;
    const queries = await addQueries(this.#engine, this.#reference);
    const preRopeKeys = addPreRopeKeys(this.#engine, this.#reference, this.#rope.get());
    const read = async (tensor: KvShape): Promise<CpuTensor> => {
      const { heads, capacity, headDim } = tensor;
      // A copy: in cpu memory a backend hands out the tensor's own.
      return { heads, capacity, headDim, data: (await backend.read(tensor)).slice() };
    };
    return {
      key: await read(kv.key),
      value: await read(kv.value),
      preRopeKey: await read(preRopeKeys[layer]!),
      query: await read(queries[layer]!),
    };
  }

  /** Lets go of the tensors, after what is under way. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    const free = () => {
      freeReference(this.#engine, this.#reference);
      this.#rope.free();
      return Promise.resolve();
    };
    // A lab that is closed has let go of them.
    this.inTurn(free).catch(() => {});
  }

  /** The same as `free`, for `using`. */
  [Symbol.dispose](): void {
    this.free();
  }
}
