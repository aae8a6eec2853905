/**
 * The reference of one example: prefill in full precision, then greedy decoding from the cache.
 * Every snapshot of the replay is cut from the cache that this leaves behind.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";
import { type Engine, type LayerKv, MASKED } from "../engine/engine.ts";

/** Tokens that go through the model at once during prefill; bounds the size of the mask. */
export const PREFILL_CHUNK = 256;

/** Tensors that some families read beside keys and values, for every token of the reference. */
export interface ReferenceExtras<T extends KvShape> {
  /** Per layer, keys before RoPE, `[kvHeads, tokens, headDim]`. */
  readonly preRopeKeys: readonly T[];
  /** Per layer, queries after RoPE, `[queryHeads, tokens, headDim]`. */
  readonly queries: readonly T[];
}

/** The full-precision run of one example. */
export interface Reference<T extends KvShape> {
  /** Prompt token ids, `n` of them. */
  readonly prompt: readonly number[];
  /** Predicted tokens `y_0 .. y_(m-1)`, the end token included when there was one. */
  readonly tokens: readonly number[];
  /** Logits of every step, `[m, vocab]`. */
  readonly logits: Float32Array<ArrayBuffer>;
  /** Per layer, keys and values of the first `n - 1 + m` tokens. */
  readonly layers: readonly LayerKv<T>[];
  /** Wall time of the prefill in milliseconds. */
  readonly prefillMs: number;
  /** Filled by `addExtras` when a family asks. */
  extras?: ReferenceExtras<T>;
}

/** Index of the largest of `row[from .. from + count)`; the first wins a tie. */
export function argmax(row: Float32Array, from = 0, count = row.length - from): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (row[from + i]! > row[from + best]!) best = i;
  return best;
}

/** Ids fed at the steps of a reference: the last prompt token, then the predictions. */
export function fedIds(reference: Pick<Reference<KvShape>, "prompt" | "tokens">): number[] {
  return [reference.prompt.at(-1)!, ...reference.tokens.slice(0, -1)];
}

/** How many tokens were prefilled: all of the prompt but its last. */
export function prefilled(reference: Pick<Reference<KvShape>, "prompt">): number {
  return reference.prompt.length - 1;
}

/**
 * Runs an example in full precision.
 *
 * @param prompt token ids, at least one
 * @param maxNewTokens steps at most
 * @param eosIds ids that end the answer
 */
export async function runReference<T extends KvShape>(
  engine: Engine<T>,
  prompt: readonly number[],
  maxNewTokens: number,
  eosIds: readonly number[],
): Promise<Reference<T>> {
  const { backend, shape } = engine;
  const known = prompt.length - 1;
  const capacity = known + maxNewTokens;
  const layers = allocLayers(engine, capacity);

  const start = performance.now();
  await feed(engine, prompt.slice(0, known), 0, layers);
  const prefillMs = performance.now() - start;

  const tokens: number[] = [];
  const logits: Float32Array[] = [];
  let id = prompt[known]!;
  while (tokens.length < maxNewTokens) {
    const at = known + tokens.length;
    const mask = new Float32Array(capacity + 1);
    mask.fill(MASKED, at, capacity);
    const out = await engine.forward({
      ids: [id],
      positions: [at],
      past: layers,
      mask,
      maskLayers: 1,
      logits: 1,
      outputs: "kv",
    });
    for (const [l, layer] of out.layers.entries()) {
      backend.copy(layer.key, 0, 1, layers[l]!.key, at);
      backend.copy(layer.value, 0, 1, layers[l]!.value, at);
      backend.free(layer.key);
      backend.free(layer.value);
    }
    id = argmax(out.logits);
    logits.push(out.logits);
    tokens.push(id);
    if (eosIds.includes(id)) break;
  }
  const all = new Float32Array(tokens.length * shape.vocab);
  logits.forEach((row, i) => all.set(row, i * shape.vocab));
  return {
    prompt,
    tokens,
    logits: all,
    layers: trimmed(engine, layers, known + tokens.length),
    prefillMs,
  };
}

/** Adds pre-RoPE keys and queries by running the known tokens once more. */
export async function addExtras<T extends KvShape>(
  engine: Engine<T>,
  reference: Reference<T>,
): Promise<ReferenceExtras<T>> {
  if (reference.extras !== undefined) return reference.extras;
  const ids = [...reference.prompt.slice(0, -1), ...fedIds(reference)];
  const { layers, extras } = await runKnownTokens(engine, ids);
  for (const layer of layers) {
    engine.backend.free(layer.key);
    engine.backend.free(layer.value);
  }
  reference.extras = extras;
  return extras;
}

/** Every layer's keys, values, pre-RoPE keys and queries of known tokens. The caller frees them. */
export async function runKnownTokens<T extends KvShape>(
  engine: Engine<T>,
  ids: readonly number[],
): Promise<{ layers: LayerKv<T>[]; extras: ReferenceExtras<T> }> {
  const { backend, shape } = engine;
  const layers = allocLayers(engine, ids.length);
  const tensors = (heads: number) =>
    Array.from(
      { length: shape.layers },
      () => backend.alloc({ heads, capacity: ids.length, headDim: shape.headDim }),
    );
  const extras = { preRopeKeys: tensors(shape.kvHeads), queries: tensors(shape.queryHeads) };
  await feed(engine, ids, 0, layers, extras);
  return { layers, extras };
}

/** Frees the tensors of a reference. */
export function freeReference<T extends KvShape>(engine: Engine<T>, reference: Reference<T>): void {
  for (const { key, value } of reference.layers) {
    engine.backend.free(key);
    engine.backend.free(value);
  }
  for (const t of reference.extras?.preRopeKeys ?? []) engine.backend.free(t);
  for (const t of reference.extras?.queries ?? []) engine.backend.free(t);
}

function allocLayers<T extends KvShape>(engine: Engine<T>, capacity: number): LayerKv<T>[] {
  const { layers, kvHeads: heads, headDim } = engine.shape;
  const size = { heads, capacity: Math.max(1, capacity), headDim };
  return Array.from(
    { length: layers },
    () => ({ key: engine.backend.alloc(size), value: engine.backend.alloc(size) }),
  );
}

/** Runs tokens from position `from` on, causally, in chunks; keys and values land in `layers`. */
async function feed<T extends KvShape>(
  engine: Engine<T>,
  ids: readonly number[],
  from: number,
  layers: readonly LayerKv<T>[],
  extras?: ReferenceExtras<T>,
): Promise<void> {
  const { backend } = engine;
  for (let a = from; a < ids.length; a += PREFILL_CHUNK) {
    const count = Math.min(PREFILL_CHUNK, ids.length - a);
    // A first chunk has no past; the graph wants one entry, so it gets one that nobody sees.
    const past = allocLayers(engine, a);
    const entries = Math.max(1, a);
    for (const [l, layer] of past.entries()) {
      if (a === 0) break;
      backend.copy(layers[l]!.key, 0, a, layer.key, 0);
      backend.copy(layers[l]!.value, 0, a, layer.value, 0);
    }
    const out = await engine.forward({
      ids: ids.slice(a, a + count),
      positions: Array.from({ length: count }, (_, i) => a + i),
      past,
      mask: causalMask(count, entries, a > 0),
      maskLayers: 1,
      logits: 1,
      outputs: extras === undefined ? "kv" : "all",
    });
    for (const layer of past) {
      backend.free(layer.key);
      backend.free(layer.value);
    }
    for (const [l, layer] of out.layers.entries()) {
      backend.copy(layer.key, 0, count, layers[l]!.key, a);
      backend.copy(layer.value, 0, count, layers[l]!.value, a);
      backend.free(layer.key);
      backend.free(layer.value);
      for (
        const [given, kept] of [
          [layer.preRopeKey, extras?.preRopeKeys[l]],
          [layer.query, extras?.queries[l]],
        ] as const
      ) {
        if (given === undefined) continue;
        if (kept !== undefined) backend.copy(given, 0, count, kept, a);
        backend.free(given);
      }
    }
  }
}

/** `[1, count, entries + count]`: everything before the chunk, and the chunk up to oneself. */
function causalMask(count: number, entries: number, seesPast: boolean): Float32Array<ArrayBuffer> {
  const columns = entries + count;
  const mask = new Float32Array(count * columns);
  for (let row = 0; row < count; row++) {
    const base = row * columns;
    if (!seesPast) mask.fill(MASKED, base, base + entries);
    mask.fill(MASKED, base + entries + row + 1, base + columns);
  }
  return mask;
}

function trimmed<T extends KvShape>(
  engine: Engine<T>,
  layers: readonly LayerKv<T>[],
  capacity: number,
): LayerKv<T>[] {
  const { backend } = engine;
  const trim = (tensor: T): T => {
    if (tensor.capacity === capacity) return tensor;
    const exact = backend.alloc({ heads: tensor.heads, capacity, headDim: tensor.headDim });
    backend.copy(tensor, 0, capacity, exact, 0);
    backend.free(tensor);
    return exact;
  };
  return layers.map(({ key, value }) => ({ key: trim(key), value: trim(value) }));
}
