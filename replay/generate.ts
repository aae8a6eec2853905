/**
 * Greedy decoding from a policy's own cache, its errors adding up as in deployment: the model sees the
 * restored cache, and the keys and values that it makes for the new token are what the policy is given
 * from then on. Prompts are prefilled in full precision, as in the replay, beside which this stands.
 *
 * @module
 */
import { allocLayers } from "../engine/prefill.ts";
import type { LayerKv, LayerOutput } from "../engine/engine.ts";
import type { PlannedStep } from "../policies/plan.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import type { KvShape } from "../quant/tensor.ts";
import { turnBack } from "../quant/stores/rope/rope_restore.ts";
import { Ledger } from "./ledger.ts";
import { predict } from "./predict.ts";
import type { PolicyOnExample } from "./policy_on_example.ts";
import { questionAt } from "./question_at.ts";
import { QuantizedCache } from "./quantize.ts";
import { addPreRopeKeys, addQueries, argmax, prefilled, type Reference } from "./reference.ts";
import { Sources } from "./snapshot.ts";
import { StatsSource } from "./token_stats.ts";

/** What the generation of an example is given. */
export interface GenerateInput<T extends KvShape> extends PolicyOnExample<T> {
  /** Steps at most. */
  readonly maxNewTokens: number;
  /** Whether the tokens so far end the reply. */
  readonly ended: (tokens: readonly number[]) => boolean;
}

/**
 * Decodes a reply from the quantized cache.
 *
 * @returns its tokens, the end token included when there was one
 */
export async function generate<T extends KvShape>(input: GenerateInput<T>): Promise<number[]> {
  const run = new Generation(input);
  try {
    return await run.run();
  } finally {
    run.free();
  }
}

class Generation<T extends KvShape> {
  /** The cache as the policy is given it; it grows in place. */
  readonly #live: Reference<T>;
  readonly #known: number;
  readonly #capacity: number;
  readonly #stats: StatsSource<T>;
  readonly #ledger: Ledger;
  readonly #tokens: number[] = [];
  /** Queries of every generated token, per layer, as long as no family has asked for them. */
  readonly #queries: T[][] = [];
  #cache: QuantizedCache<T> | undefined;
  #needs = "";

  constructor(private readonly input: GenerateInput<T>) {
    const { engine, reference, maxNewTokens, mostCodeBits } = input;
    this.#known = prefilled(reference);
    this.#capacity = this.#known + maxNewTokens;
    const layers = allocLayers(engine, this.#capacity);
    for (const [l, { key, value }] of reference.layers.entries()) {
      engine.backend.copy(key, 0, this.#known, layers[l]!.key, 0);
      engine.backend.copy(value, 0, this.#known, layers[l]!.value, 0);
    }
    const { prompt, prefillMs } = reference;
    this.#live = { prompt, tokens: this.#tokens, logits: new Float32Array(), layers, prefillMs };
    this.#stats = new StatsSource(engine, this.#live);
    this.#ledger = new Ledger(engine.shape, mostCodeBits);
  }

  async run(): Promise<number[]> {
    const { maxNewTokens, ended, reference } = this.input;
    let id = reference.prompt.at(-1)!;
    while (this.#tokens.length < maxNewTokens) {
      id = await this.#step(id);
      this.#tokens.push(id);
      if (ended(this.#tokens)) break;
    }
    return this.#tokens;
  }

  /** Quantizes what there is, and predicts the token after `id`. */
  async #step(id: number): Promise<number> {
    const { engine, planner, attentionStats } = this.input;
    const step = this.#tokens.length;
    const tokens = this.#known + step;
    const question = questionAt(
      { ...this.input, reference: this.#live },
      this.#stats,
      this.#ledger.usedBits,
      step,
      tokens,
    );
    this.#stats.forget();
    const planned = await planner.plan(question, async () => {
      if (attentionStats) await this.#addQueries();
      await this.#stats.load(attentionStats);
    });
    const cache = await this.#cacheFor(planned);
    const { backend } = engine;
    backend.together(() => cache.grow(planned.plan, tokens));
    if (cache.sizesNeedSettle) await backend.together(() => cache.settle());
    const ranges = cache.ranges();
    this.#ledger.note(cache, planned, step, tokens, ranges);
    const pass = [{ step, tokens, ranges }];
    const { logits, layers } = await predict(engine, this.#live, cache, pass, [id], {
      outputs: "all",
    });
    backend.together(() => this.#keep(layers, tokens));
    if (!logits.every(Number.isFinite)) {
      throw new QuantizerError(
        `The logits that the restored cache gives at step ${step} of a generated reply are not finite`,
      );
    }
    return argmax(logits);
  }

  /** Adds what the model made of the token that was fed. */
  #keep(made: readonly LayerOutput<T>[], at: number): void {
    const { engine: { backend, gpu }, rope } = this.input;
    const { layers, preRopeKeys, queries } = this.#live;
    const kept: T[] = [];
    for (const [l, { key, value, preRopeKey, query }] of made.entries()) {
      backend.copy(key, 0, 1, layers[l]!.key, at);
      backend.copy(value, 0, 1, layers[l]!.value, at);
      if (preRopeKeys !== undefined) {
        // Turned back as those of the prompt were, so that all of them are alike.
        backend.copy(key, 0, 1, preRopeKeys[l]!, at);
        turnBack(gpu, preRopeKeys[l]!, { from: at, to: at + 1 }, rope());
      }
      for (const tensor of [key, value, preRopeKey]) {
        if (tensor !== undefined) backend.free(tensor);
      }
      if (query === undefined) continue;
      if (queries !== undefined) backend.copy(query, 0, 1, queries[l]!, at);
      kept.push(query);
    }
    this.#queries.push(kept);
  }

  /** The cache, opened again when a plan needs tensors that were not asked for before. */
  async #cacheFor({ needs }: PlannedStep): Promise<QuantizedCache<T>> {
    const key = JSON.stringify([needs.preRope ?? false, needs.queries ?? false]);
    if (this.#cache !== undefined && key === this.#needs) return this.#cache;
    this.#cache?.free();
    const { engine, open, rope } = this.input;
    if (needs.preRope) addPreRopeKeys(engine, this.#live, rope());
    if (needs.queries) await this.#addQueries();
    const sources = new Sources(this.#live, needs, needs.preRope ? rope() : undefined);
    this.#ledger.restart();
    this.#needs = key;
    return this.#cache = new QuantizedCache(sources, open, engine.shape.layers, this.#capacity);
  }

  /** Queries of the prompt, which the reference has, and of what was generated since. */
  async #addQueries(): Promise<void> {
    if (this.#live.queries !== undefined) return;
    const { engine: { backend }, reference } = this.input;
    const prompt = await addQueries(this.input.engine, reference);
    this.#live.queries = prompt.map((query, l) => {
      const { heads, headDim } = query;
      const all = backend.alloc({ heads, capacity: this.#capacity, headDim });
      backend.copy(query, 0, this.#known, all, 0);
      for (const [i, made] of this.#queries.entries()) {
        backend.copy(made[l]!, 0, 1, all, this.#known + i);
      }
      return all;
    });
  }

  free(): void {
    const { engine: { backend } } = this.input;
    this.#cache?.free();
    const { layers, preRopeKeys = [], queries = [] } = this.#live;
    const pairs = (kv: readonly LayerKv<T>[]) => kv.flatMap(({ key, value }) => [key, value]);
    for (const tensor of [...pairs(layers), ...preRopeKeys, ...queries, ...this.#queries.flat()]) {
      backend.free(tensor);
    }
  }
}
