/** Caches of a few layers for property tests: tensors, sources and stores on any backend. */
import type {
  BufferContents,
  Family,
  KvKind,
  Settings,
  Source,
  Store,
} from "../../quant/family.ts";
import type { KvShape } from "../../quant/tensor.ts";
import { plainRotary, rotaryTables } from "../../engine/rotary.ts";
import type { RotaryPositions } from "../../quant/rotary_positions.ts";
import type { TestBackend } from "./backends.ts";
import { kvData, type KvLook } from "./kv_data.ts";

/** Some layers of one kind, and the settings of each. */
export interface CacheScene<S extends Settings> {
  readonly family: Family<S>;
  readonly kind: KvKind;
  readonly settings: readonly S[];
  /** Settings of the keys of each layer, of values that are decoded from keys. */
  readonly keySettings?: readonly S[];
  readonly heads: number;
  readonly headDim: number;
  /** Tokens of the last snapshot. */
  readonly tokens: number;
  /** Tokens of the first one; `tokens` when absent. */
  readonly promptTokens?: number;
  /** Room in the tensors; at least `tokens`. */
  readonly capacity: number;
  readonly look: KvLook;
  readonly seed: number;
  /** Query heads per KV head, when queries are wanted. */
  readonly queryGroup?: number;
}

/** What a target holds before it is restored into. */
export const UNTOUCHED = -12345;

/** The real tensors of a scene, `[heads, capacity, headDim]` per layer. */
export function layerData(scene: CacheScene<Settings>): Float32Array<ArrayBuffer>[] {
  const { settings, heads, capacity, headDim, look, seed } = scene;
  return settings.map((_, layer) => kvData(heads * capacity, headDim, look, seed + layer));
}

/** The queries of a scene, `[heads * queryGroup, capacity, headDim]` per layer. */
export function layerQueries(scene: CacheScene<Settings>): Float32Array<ArrayBuffer>[] {
  const { settings, heads, capacity, headDim, seed, queryGroup = 1 } = scene;
  const rows = heads * queryGroup * capacity;
  return settings.map((_, layer) => kvData(rows, headDim, "normal", seed + 100 + layer));
}

/** Rotary positions of the scenes; the scale is that of a model with YaRN. */
export const rotaryOf = (headDim: number): RotaryPositions => ({
  ...plainRotary(headDim, 1000),
  scale: 1.25,
});

/** The stores of a scene. */
export class OpenCache<S extends Settings> {
  readonly stores: Store<KvShape>[];
  /** The stores of the keys that these are decoded from. */
  readonly #keyStores: readonly Store<KvShape>[];
  readonly #shape: KvShape;
  readonly #sources: readonly Source<KvShape>[];

  constructor(
    private readonly backend: TestBackend,
    private readonly scene: CacheScene<S>,
    data: readonly Float32Array<ArrayBuffer>[] = layerData(scene),
  ) {
    const { family, kind, heads, headDim, capacity, tokens, queryGroup } = scene;
    this.#shape = { heads, headDim, capacity };
    const shared = new Map<string, unknown>();
    const siblings: Source<KvShape>[] = [];
    const queries = queryGroup === undefined ? undefined : layerQueries(scene);
    const { cos, sin } = rotaryTables(capacity, rotaryOf(headDim));
    const half = { heads: 1, capacity, headDim: headDim / 2 };
    const rope = { cos: backend.upload(cos, half), sin: backend.upload(sin, half) };
    for (const [layer, layerEntries] of data.entries()) {
      const tensor = backend.upload(layerEntries, this.#shape);
      siblings.push({
        layer,
        kind,
        tensor,
        preRope: tensor,
        rope,
        promptTokens: scene.promptTokens ?? tokens,
        siblings,
        shared,
        ...(queries === undefined ? {} : {
          queries: backend.upload(queries[layer]!, {
            heads: heads * queryGroup!,
            capacity,
            headDim,
          }),
          keys: tensor,
        }),
      });
    }
    this.#sources = siblings;
    const keySources: Source<KvShape>[] = [];
    this.#keyStores = (scene.keySettings ?? []).map((settings, layer) => {
      const entries = kvData(heads * capacity, headDim, scene.look, scene.seed + 500 + layer);
      const tensor = backend.upload(entries, this.#shape);
      const place = { kind: "key", tensor, preRope: tensor, siblings: keySources } as const;
      keySources.push({ ...siblings[layer]!, ...place });
      return backend.open(family, keySources[layer]!, settings, tokens);
    });
    this.stores = scene.settings.map((settings, layer) =>
      backend.open(family, siblings[layer]!, settings, tokens)
    );
  }

  /** Frees the store of a layer and opens an empty one. */
  reopen(layer: number): void {
    const { family, settings, tokens } = this.scene;
    this.stores[layer]!.free();
    const source = this.#sources[layer]!;
    this.stores[layer] = this.backend.open(family, source, settings[layer]!, tokens);
  }

  /** Grows every store to each length in turn; settles after each when `settled`. */
  async grow(lengths: readonly number[], settled = true): Promise<this> {
    for (const n of lengths) {
      for (const store of [...this.#keyStores, ...this.stores]) store.grow(n);
      if (settled) { for (const store of this.stores) await store.settle(); }
    }
    return this;
  }

  /** Restores every layer into a fresh target with `room` more tokens. */
  async restore(room = 0): Promise<Float32Array<ArrayBuffer>[]> {
    const shape = { ...this.#shape, capacity: this.#shape.capacity + room };
    const restored: Float32Array<ArrayBuffer>[] = [];
    for (const store of this.stores) {
      const size = shape.heads * shape.capacity * shape.headDim;
      const target = this.backend.upload(new Float32Array(size).fill(UNTOUCHED), shape);
      store.restore(target);
      await store.settle();
      restored.push(await this.backend.read(target));
    }
    return restored;
  }

  /** The buffers of every store. */
  async contents(): Promise<BufferContents[][]> {
    const all: BufferContents[][] = [];
    for (const store of this.stores) all.push([...await store.contents()]);
    return all;
  }

  /** Bytes that every store declares at a length. */
  bytes(n: number): number {
    return this.stores.flatMap((s) => s.buffers(n)).reduce((sum, b) => sum + b.bytes, 0);
  }
}

/** Root mean square difference of the quantized tokens of all layers. */
export function rootMeanSquare(
  scene: CacheScene<Settings>,
  a: readonly Float32Array[],
  b: readonly Float32Array[],
): number {
  const { family, settings, heads, headDim, capacity, tokens } = scene;
  let squares = 0, count = 0;
  for (const [layer, s] of settings.entries()) {
    const { from, to } = family.quantizedRange(s, tokens);
    for (let head = 0; head < heads; head++) {
      for (let i = from * headDim; i < to * headDim; i++) {
        const at = head * capacity * headDim + i;
        squares += (a[layer]![at]! - b[layer]![at]!) ** 2;
        count++;
      }
    }
  }
  return count === 0 ? 0 : Math.sqrt(squares / count);
}
