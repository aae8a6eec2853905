/**
 * The references of a run, in order: from disk where they are kept, else from the model.
 *
 * @module
 */
import type { Engine } from "../engine/engine.ts";
import type { KvShape } from "../quant/tensor.ts";
import { type Reference, runReference } from "../replay/reference.ts";
import { runText } from "../replay/text_reference.ts";
import {
  referenceBytes,
  type ReferenceCache,
  type StoredReference,
  uploadReference,
} from "./cache/reference_cache.ts";
import type { RunExample } from "./policy_run.ts";

/** What decides a reference beside its prompt. */
export interface ReferenceRun<T extends KvShape> {
  readonly engine: Engine<T>;
  /** Longest answer, in tokens. */
  readonly maxNewTokens: number;
  /** Ids that end an answer. */
  readonly eosIds: readonly number[];
  /** Text of ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** References on disk; absent keeps nothing. */
  readonly cache?: ReferenceCache;
}

/** What a reference is run on. */
export type ReferenceQuestion = Pick<RunExample, "prompt" | "stop" | "text">;

/** The next reference is read from disk while the present one is replayed. */
export class References<T extends KvShape> {
  /** What this run has used makes no room for what it uses later. */
  readonly #since = Date.now();
  #next: { index: number; stored: Promise<StoredReference | undefined> } | undefined;

  constructor(
    private readonly run: ReferenceRun<T>,
    private readonly examples: readonly ReferenceQuestion[],
  ) {}

  /** A sentence when the disk has no room for what this run would keep at most. */
  async shortage(): Promise<string | undefined> {
    const { engine, cache, maxNewTokens } = this.run;
    if (cache === undefined) return undefined;
    let bytes = 0;
    for (const [i, { prompt, text }] of this.examples.entries()) {
      if (text !== undefined) continue;
      if (await cache.has(await this.#key(cache, i))) continue;
      bytes += referenceBytes(engine.shape, prompt.length, maxNewTokens);
    }
    return bytes === 0 ? undefined : await cache.shortage(bytes);
  }

  async get(index: number): Promise<Reference<T>> {
    const { engine, cache } = this.run;
    const { prompt, text } = this.examples[index]!;
    // A text takes one prefill, and its logits are large.
    if (cache === undefined || text !== undefined) return await this.#make(index);
    const stored =
      await (this.#next?.index === index ? this.#next.stored : this.#read(cache, index));
    const next = this.examples[index + 1];
    this.#next = next !== undefined && next.text === undefined
      ? { index: index + 1, stored: this.#read(cache, index + 1) }
      : undefined;
    if (stored !== undefined) return uploadReference(engine, prompt, stored);
    const reference = await this.#make(index);
    await cache.save(await this.#key(cache, index), engine, reference, this.#since);
    return reference;
  }

  async #make(index: number): Promise<Reference<T>> {
    const { engine, maxNewTokens, eosIds, decode } = this.run;
    const { prompt, stop, text } = this.examples[index]!;
    if (text !== undefined) return await runText(engine, text);
    return await runReference(
      engine,
      prompt,
      maxNewTokens,
      eosIds,
      (tokens) => stop?.test(decode(tokens)) ?? false,
    );
  }

  async #key(cache: ReferenceCache, index: number): Promise<string> {
    const { engine, maxNewTokens, eosIds } = this.run;
    const { prompt, stop } = this.examples[index]!;
    return await cache.key(engine.fingerprint, prompt, maxNewTokens, eosIds, stop);
  }

  async #read(cache: ReferenceCache, index: number): Promise<StoredReference | undefined> {
    const key = await this.#key(cache, index);
    return await cache.load(key, this.examples[index]!.prompt, this.run.engine.shape);
  }

  async close(): Promise<void> {
    await this.#next?.stored.catch(() => {});
  }
}
