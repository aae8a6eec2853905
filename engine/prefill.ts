/**
 * Known tokens through the model, in chunks: what a prompt leaves in the cache.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";
import {
  type Engine,
  type ForwardOutput,
  type KvPlace,
  type LayerKv,
  type LayerOutput,
  MASKED,
} from "./engine.ts";

/** Tokens that go through the model at once during prefill, where an engine says nothing. */
export const PREFILL_CHUNK = 256;

/** Tensors that some families read beside keys and values, for every token of the reference. */
export interface Extras<T extends KvShape> {
  /** Per layer, keys before RoPE, `[kvHeads, tokens, headDim]`. */
  readonly preRopeKeys: readonly T[];
  /** Per layer, queries after RoPE, `[queryHeads, tokens, headDim]`. */
  readonly queries: readonly T[];
}

/**
 * Looks at what one layer computed for a chunk of tokens, from position `from` on, before it is freed;
 * keys before RoPE and queries are among it.
 */
export type ChunkVisitor<T extends KvShape> = (
  layer: number,
  output: LayerOutput<T>,
  from: number,
) => Promise<void>;

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
  try {
    await feed(engine, ids, layers, extras);
  } catch (error) {
    freeLayers(engine, layers);
    for (const tensor of Object.values(extras).flat()) backend.free(tensor);
    throw error;
  }
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

/** Puts keys and values that an engine has returned where they belong, and frees them. */
export function takeOver<T extends KvShape>(
  { backend }: Pick<Engine<T>, "backend">,
  { layers }: Pick<ForwardOutput<T>, "layers">,
  into: KvPlace<T>,
): void {
  backend.together(() => {
    for (const [l, { key, value }] of layers.entries()) {
      const to = into.layers[l]!;
      backend.copy(key, 0, key.capacity, to.key, into.at);
      backend.copy(value, 0, value.capacity, to.value, into.at);
    }
  });
  freeLayers({ backend }, layers);
}

/** Frees keys and values of every layer. */
export function freeLayers<T extends KvShape>(
  { backend }: Pick<Engine<T>, "backend">,
  layers: readonly LayerKv<T>[],
): void {
  for (const { key, value } of layers) {
    backend.free(key);
    backend.free(value);
  }
}

/**
 * Tokens of past for which there is room once `filled` are known. A short past is made anew for each
 * chunk, so that nothing is computed in vain; a long one grows by an eighth at a time, since copying
 * it for each chunk would take longer than all else.
 */
function roomFor(filled: number, chunk: number): number {
  if (filled <= SHORT_PAST) return filled;
  return chunk * Math.ceil(filled * 9 / 8 / chunk);
}

const SHORT_PAST = 4096;

/** Runs tokens from the first on, causally, in chunks; keys and values land in `layers`. */
export async function feed<T extends KvShape>(
  engine: Engine<T>,
  ids: readonly number[],
  layers: readonly LayerKv<T>[],
  extras?: Extras<T>,
  visit?: ChunkVisitor<T>,
): Promise<void> {
  if (engine.placesKv === true && extras === undefined && visit === undefined) {
    return await feedInto(engine, ids, layers);
  }
  const { backend } = engine;
  const chunk = engine.prefillChunk?.(ids.length) ?? PREFILL_CHUNK;
  // A first chunk has no past; the graph wants one entry, so it gets one that nobody sees.
  let past = allocLayers(engine, 0);
  try {
    for (let a = 0; a < ids.length; a += chunk) {
      const count = Math.min(chunk, ids.length - a);
      if (a > past[0]!.key.capacity) {
        freeLayers(engine, past);
        past = allocLayers(engine, roomFor(a, chunk));
        const larger = past;
        backend.together(() => {
          for (const [l, layer] of larger.entries()) {
            backend.copy(layers[l]!.key, 0, a, layer.key, 0);
            backend.copy(layers[l]!.value, 0, a, layer.value, 0);
          }
        });
      }
      const { capacity } = past[0]!.key;
      const out = await engine.forward({
        ids: ids.slice(a, a + count),
        positions: Array.from({ length: count }, (_, i) => a + i),
        past,
        get mask() {
          return causalMask(count, a, capacity);
        },
        maskLayers: 1,
        causal: a,
        logits: 1,
        outputs: extras === undefined && visit === undefined ? "kv" : "all",
      });
      try {
        for (const [l, layer] of out.layers.entries()) await visit?.(l, layer, a);
        backend.together(() => {
          for (const [l, layer] of out.layers.entries()) {
            for (const kept of a + count <= capacity ? [layers[l]!, past[l]!] : [layers[l]!]) {
              backend.copy(layer.key, 0, count, kept.key, a);
              backend.copy(layer.value, 0, count, kept.value, a);
            }
            if (extras === undefined) continue;
            backend.copy(layer.preRopeKey!, 0, count, extras.preRopeKeys[l]!, a);
            backend.copy(layer.query!, 0, count, extras.queries[l]!, a);
          }
        });
      } finally {
        for (const { key, value, preRopeKey, query } of out.layers) {
          for (const tensor of [key, value, preRopeKey, query]) {
            if (tensor !== undefined) backend.free(tensor);
          }
        }
      }
    }
  } finally {
    freeLayers(engine, past);
  }
}

/** The same by an engine that puts keys and values where they belong: it needs no other past. */
async function feedInto<T extends KvShape>(
  engine: Engine<T>,
  ids: readonly number[],
  layers: readonly LayerKv<T>[],
): Promise<void> {
  const { capacity } = layers[0]!.key;
  const chunk = engine.prefillChunk?.(ids.length) ?? PREFILL_CHUNK;
  for (let at = 0; at < ids.length; at += chunk) {
    const fed = ids.slice(at, at + chunk);
    await engine.forward({
      ids: fed,
      positions: fed.map((_, i) => at + i),
      past: layers,
      get mask() {
        return causalMask(fed.length, at, capacity);
      },
      maskLayers: 1,
      causal: at,
      logits: 1,
      outputs: "kv",
      into: { layers, at },
    });
  }
}

/** `[1, count, room + count]`: the first `filled` entries of the past, and the chunk up to oneself. */
export function causalMask(count: number, filled: number, room: number): Float32Array<ArrayBuffer> {
  const columns = room + count;
  const mask = new Float32Array(count * columns);
  for (let row = 0; row < count; row++) {
    const base = row * columns;
    mask.fill(MASKED, base + filled, base + room);
    mask.fill(MASKED, base + room + row + 1, base + columns);
  }
  return mask;
}
