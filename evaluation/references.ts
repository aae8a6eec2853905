/**
 * The references of a run, in order: from disk where they are kept, else from the model.
 *
 * @module
 */
import type { Engine } from "../engine/engine.ts";
import type { KvShape } from "../quant/tensor.ts";
import { type Reference, runReference } from "../replay/reference.ts";
import { type ReferenceCache, type StoredReference, uploadReference } from "./reference_cache.ts";

/** What decides a reference beside its prompt. */
export interface ReferenceRun<T extends KvShape> {
  readonly engine: Engine<T>;
  /** Longest answer, in tokens. */
  readonly maxNewTokens: number;
  /** Ids that end an answer. */
  readonly eosIds: readonly number[];
  /** References on disk; absent keeps nothing. */
  readonly cache?: ReferenceCache;
}

/** The next reference is read from disk while the present one is replayed. */
export class References<T extends KvShape> {
  #next: { index: number; stored: Promise<StoredReference | undefined> } | undefined;

  constructor(
    private readonly run: ReferenceRun<T>,
    private readonly examples: readonly { readonly prompt: readonly number[] }[],
  ) {}

  async get(index: number): Promise<Reference<T>> {
    const { engine, cache, maxNewTokens, eosIds } = this.run;
    const { prompt } = this.examples[index]!;
    if (cache === undefined) return await runReference(engine, prompt, maxNewTokens, eosIds);
    const stored = await (this.#next?.index === index ? this.#next.stored : this.#read(index));
    this.#next = index + 1 < this.examples.length
      ? { index: index + 1, stored: this.#read(index + 1) }
      : undefined;
    if (stored !== undefined) return uploadReference(engine, prompt, stored);
    const reference = await runReference(engine, prompt, maxNewTokens, eosIds);
    const key = await cache.key(engine.fingerprint, prompt, maxNewTokens, eosIds);
    await cache.save(key, engine, reference);
    return reference;
  }

  async #read(index: number): Promise<StoredReference | undefined> {
    const { engine, cache, maxNewTokens, eosIds } = this.run;
    const { prompt } = this.examples[index]!;
    const key = await cache!.key(engine.fingerprint, prompt, maxNewTokens, eosIds);
    return await cache!.load(key, prompt, engine.shape);
  }

  async close(): Promise<void> {
    await this.#next?.stored.catch(() => {});
  }
}
