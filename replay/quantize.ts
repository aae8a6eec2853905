/**
 * Step 2 of a replayed step: quantize. One store per layer and kind holds the packed cache and grows
 * from snapshot to snapshot, so that a group is quantized once, not once a step.
 *
 * @module
 */
import {
  bytesOfConstant,
  type ConstantBuffer,
  KV_KINDS,
  type Settings,
  type Source,
  type Store,
  type StoredBuffer,
} from "../quant/family.ts";
import { EXACT_BITS } from "../quant/families/exact/exact.ts";
import type { Families } from "../quant/registry.ts";
import { settingsKey } from "../quant/settings_key.ts";
import type { CpuTensor, GpuTensor, KvShape, TokenRange } from "../quant/tensor.ts";
import type { Engine } from "../engine/engine.ts";
import type { Sources } from "./snapshot.ts";

/** A plan: settings for every layer and kind, layers outermost, keys before values. */
export type Plan = readonly Settings[];

/** Opens the store of one layer and kind in the memory that the tensors live in. */
export type OpenStore<T extends KvShape> = (
  sources: Sources<T>,
  settings: Settings,
  tokens: number,
) => Store<T>;

/** Opens stores of these families beside an engine's tensors. */
export function storesBeside<T extends KvShape>(
  { gpu, pool }: Pick<Engine<T>, "gpu" | "pool">,
  families: Families,
): OpenStore<T> {
  const open = (sources: Sources<KvShape>, settings: Settings, tokens: number): Store<KvShape> => {
    const family = families.of(settings.family);
    const source = sources.of(settings.layer, settings.kind);
    if (gpu !== undefined) {
      return family.openGpu(gpu, source as Source<GpuTensor>, settings, tokens) as Store<KvShape>;
    }
    const store = pool?.open(source as Source<CpuTensor>, settings, tokens) ??
      family.openCpu(source as Source<CpuTensor>, settings, tokens);
    return store as Store<KvShape>;
  };
  return open as OpenStore<KvShape> as unknown as OpenStore<T>;
}

/** A store and the settings it was opened for. */
interface OpenedStore<T extends KvShape> {
  readonly key: string;
  readonly store: Store<T>;
}

/** The quantized cache of one example under one policy: a store for every layer and kind. */
export class QuantizedCache<T extends KvShape> {
  readonly #stores: (OpenedStore<T> | undefined)[];

  /**
   * @param tokens length of the longest snapshot
   */
  constructor(
    private readonly sources: Sources<T>,
    private readonly open: OpenStore<T>,
    layers: number,
    private readonly tokens: number,
  ) {
    this.#stores = new Array(layers * KV_KINDS.length).fill(undefined);
  }

  /** Whether following `plan` to `n` tokens would change what earlier steps of the pass restored. */
  breaks(plan: Plan, n: number): boolean {
    return plan.some((wanted, i) => {
      const opened = this.#stores[i];
      return opened !== undefined &&
        (opened.key !== settingsKey(wanted) || opened.store.rewrites(n));
    });
  }

  /**
   * Brings every store to `n` tokens under `plan`; stores whose settings changed start again.
   * @param afresh start every store again, unless its family carries its state from step to step
   */
  grow(plan: Plan, n: number, afresh = false): void {
    const stores = plan.map((wanted, i) => this.#opened(wanted, i, afresh));
    // Other threads have begun before this one does its part.
    for (const store of stores) if (store.finish !== undefined) store.grow(n);
    const failed = new Map<number, unknown>();
    const each = (does: (store: Store<T>) => void) => {
      for (const [i, store] of stores.entries()) {
        try {
          does(store);
        } catch (error) {
          failed.set(i, error);
          return;
        }
      }
    };
    each((store) => store.finish === undefined && store.grow(n));
    each((store) => store.finish?.());
    // Told is the first of what is wrong, whoever found it.
    if (failed.size > 0) throw failed.get(Math.min(...failed.keys()));
  }

  #opened(wanted: Settings, i: number, afresh: boolean): Store<T> {
    const key = settingsKey(wanted);
    const opened = this.#stores[i];
    if (opened?.key === key && !(afresh && !opened.store.carriesState)) return opened.store;
    opened?.store.free();
    this.#stores[i] = undefined;
    const store = this.open(this.sources, wanted, this.tokens);
    this.#stores[i] = { key, store };
    return store;
  }

  /** Has other threads begin with what `restore` will want. */
  prepare(): void {
    for (const opened of this.#stores) opened?.store.prepare?.();
  }

  /** Whether sizes are known only after `settle`. */
  get sizesNeedSettle(): boolean {
    return this.#stores.some((opened) => opened?.store.sizesNeedSettle);
  }

  /** Waits for device work that decides sizes, and reports tensors that cannot be quantized. */
  async settle(): Promise<void> {
    // At once, so that what they wait for comes back together; told is the first of what is wrong.
    const settled = await Promise.allSettled(this.#stores.map((opened) => opened?.store.settle()));
    for (const outcome of settled) if (outcome.status === "rejected") throw outcome.reason;
  }

  /** Writes what is quantized of one layer and kind into `target`, each token at its position. */
  restore(layer: number, kind: 0 | 1, target: T): void {
    this.#stores[layer * KV_KINDS.length + kind]?.store.restore(target);
  }

  /** Token positions that are quantized now, per layer and kind (keys, values). */
  ranges(): TokenRange[] {
    return this.#stores.map((opened) => ({ from: 0, to: 0, ...opened?.store.quantized }));
  }

  /**
   * Bytes of one layer and kind at `n` tokens: the store's buffers plus 16 bits for every exact entry.
   * @param index of layer and kind in a plan
   * @param range what was quantized at `n` tokens
   */
  bytes(index: number, n: number, range: TokenRange, entriesPerToken: number): number {
    const exact = (n - (range.to - range.from)) * entriesPerToken * EXACT_BITS / 8;
    return this.buffers(index, n).reduce((sum, b) => sum + b.bytes, exact);
  }

  /** The buffers of one layer and kind at `n` tokens. */
  buffers(index: number, n: number): readonly StoredBuffer[] {
    return this.#stores[index]?.store.buffers(n) ?? [];
  }

  /** Bytes that decoding needs besides the cache; what stores share is counted once. */
  get constantBytes(): number {
    const stores = this.#stores.flatMap((opened) => opened?.store ?? []);
    return distinctConstants(stores).reduce((sum, c) => sum + bytesOfConstant(c), 0);
  }

  /** Frees every store. */
  free(): void {
    for (const opened of this.#stores) opened?.store.free();
    this.#stores.fill(undefined);
  }
}

/** What stores need besides the cache; memory that several have is listed once. */
export function distinctConstants<T extends KvShape>(
  stores: readonly Store<T>[],
): readonly ConstantBuffer[] {
  const all = stores.flatMap((store) => store.constants?.() ?? []);
  return [...new Map(all.map((constant) => [constant.memory, constant])).values()];
}
