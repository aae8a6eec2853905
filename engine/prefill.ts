/**
 * Known tokens through the model, in chunks: what a prompt leaves in the cache.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";
import { type Engine, type LayerKv, MASKED } from "./engine.ts";

/** Tokens that go through the model at once during prefill; bounds the size of the mask. */
export const PREFILL_CHUNK = 256;

/** Tensors that some families read beside keys and values, for every token of the reference. */
export interface Extras<T extends KvShape> {
  /** Per layer, keys before RoPE, `[kvHeads, tokens, headDim]`. */
  readonly preRopeKeys: readonly T[];
  /** Per layer, queries after RoPE, `[queryHeads, tokens, headDim]`. */
  readonly queries: readonly T[];
}

/** Every layer's keys, values, pre-RoPE keys and queries of known tokens. The caller frees them. */
export async function runKnownTokens<T extends KvShape>(
  engine: Engine<T>,
  ids: readonly number[],
): Promise<{ layers: LayerKv<T>[]; extras: Extras<T> }> {
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

/** Keys and values of every layer, filled with zeros, with room for at least one token. */
export function allocLayers<T extends KvShape>(engine: Engine<T>, capacity: number): LayerKv<T>[] {
  const { layers, kvHeads: heads, headDim } = engine.shape;
  const size = { heads, capacity: Math.max(1, capacity), headDim };
  return Array.from(
    { length: layers },
    () => ({ key: engine.backend.alloc(size), value: engine.backend.alloc(size) }),
  );
}

/** Runs tokens from position `from` on, causally, in chunks; keys and values land in `layers`. */
export async function feed<T extends KvShape>(
  engine: Engine<T>,
  ids: readonly number[],
  from: number,
  layers: readonly LayerKv<T>[],
  extras?: Extras<T>,
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
