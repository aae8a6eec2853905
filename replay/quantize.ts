/**
 * Step 2 of a replayed step: quantize. One store per layer and kind holds the packed cache and grows
 * from snapshot to snapshot, so that a group is quantized once, not once a step.
 *
 * @module
 */
import {
  type Family,
  KV_KINDS,
  type Settings,
  type Store,
  type StoredBuffer,
} from "../quant/family.ts";
import { familyOf } from "../quant/registry.ts";
import type { CpuTensor, GpuTensor, KvShape, TokenRange } from "../quant/tensor.ts";
import type { Sources } from "./snapshot.ts";

/** What a plan says about one layer and kind: a family's settings, or the full-precision reference. */
export type CellPlan = Settings | "exact";

/** A plan: one entry per layer and kind, layers outermost, keys before values. */
export type Plan = readonly CellPlan[];

/** Opens a store of a family in the memory that the tensors live in. */
export type OpenStore<T extends KvShape> = (
  family: Family,
  sources: Sources<T>,
  settings: Settings,
  tokens: number,
) => Store<T>;

/** Stores in host memory. */
export const openOnCpu: OpenStore<CpuTensor> = (family, sources, settings, tokens) =>
  family.openCpu(sources.of(settings.layer, settings.kind), settings, tokens);

/** Stores in GPU buffers. */
export const openOnGpu =
  (device: GPUDevice): OpenStore<GpuTensor> => (family, sources, settings, tokens) =>
    family.openGpu(device, sources.of(settings.layer, settings.kind), settings, tokens);

interface Cell<T extends KvShape> {
  readonly key: string;
  readonly store: Store<T>;
}

/** Bytes of a full-precision entry, whatever the engine computes in. */
const EXACT_BYTES = 2;

const NOTHING: TokenRange = { from: 0, to: 0 };

/** The quantized cache of one example under one policy. */
export class QuantizedCache<T extends KvShape> {
  readonly #cells: (Cell<T> | "exact" | undefined)[];

  /**
   * @param tokens length of the longest snapshot
   */
  constructor(
    private readonly sources: Sources<T>,
    private readonly open: OpenStore<T>,
    private readonly layers: number,
    private readonly tokens: number,
  ) {
    this.#cells = new Array(layers * KV_KINDS.length).fill(undefined);
  }

  /** Whether following `plan` to `n` tokens would change what earlier steps of the pass restored. */
  breaks(plan: Plan, n: number): boolean {
    return plan.some((wanted, i) => {
      const cell = this.#cells[i];
      if (cell === undefined) return false;
      if (wanted === "exact" || cell === "exact") return wanted !== cell;
      return cell.key !== planKey(wanted) || cell.store.rewrites(n);
    });
  }

  /**
   * Brings every store to `n` tokens under `plan`; stores whose settings changed start again.
   * @param afresh start every store again, unless its family carries its state from step to step
   */
  grow(plan: Plan, n: number, afresh = false): void {
    for (const [i, wanted] of plan.entries()) {
      let cell = this.#cells[i];
      if (afresh && cell !== undefined && cell !== "exact" && !cell.store.carriesState) {
        cell.store.free();
        cell = undefined;
      }
      if (wanted === "exact") {
        if (cell !== "exact") cell?.store.free();
        this.#cells[i] = "exact";
        continue;
      }
      const key = planKey(wanted);
      if (cell === undefined || cell === "exact" || cell.key !== key) {
        if (cell !== undefined && cell !== "exact") cell.store.free();
        const family = familyOf(wanted.family);
        cell = { key, store: this.open(family, this.sources, wanted, this.tokens) };
        this.#cells[i] = cell;
      }
      cell.store.grow(n);
    }
  }

  /** Whether sizes are known only after `settle`. */
  get sizesNeedSettle(): boolean {
    return this.#cells.some((c) => c !== undefined && c !== "exact" && c.store.sizesNeedSettle);
  }

  /** Waits for device work that decides sizes, and reports tensors that cannot be quantized. */
  async settle(): Promise<void> {
    for (const cell of this.#cells) {
      if (cell !== undefined && cell !== "exact") await cell.store.settle();
    }
  }

  /** The store of one layer and kind, or undefined where the cache is exact. */
  store(layer: number, kind: 0 | 1): Store<T> | undefined {
    const cell = this.#cells[layer * KV_KINDS.length + kind];
    return cell === undefined || cell === "exact" ? undefined : cell.store;
  }

  /** Token positions that are quantized now, per layer and kind (keys, values). */
  ranges(): TokenRange[] {
    return this.#cells.map((cell) =>
      cell === undefined || cell === "exact" ? NOTHING : { ...cell.store.quantized }
    );
  }

  /**
   * Bytes of one layer and kind at `n` tokens: the store's buffers plus 16 bits for every exact entry.
   * @param range what was quantized at `n` tokens
   */
  bytes(cellIndex: number, n: number, range: TokenRange, entriesPerToken: number): number {
    const exact = (n - (range.to - range.from)) * entriesPerToken * EXACT_BYTES;
    return this.buffers(cellIndex, n).reduce((sum, b) => sum + b.bytes, exact);
  }

  /** The buffers of one layer and kind at `n` tokens. */
  buffers(cellIndex: number, n: number): readonly StoredBuffer[] {
    const cell = this.#cells[cellIndex];
    return cell === undefined || cell === "exact" ? [] : cell.store.buffers(n);
  }

  /** Frees every store. */
  free(): void {
    for (const cell of this.#cells) if (cell !== undefined && cell !== "exact") cell.store.free();
    this.#cells.fill(undefined);
  }
}

const keys = new WeakMap<Settings, string>();

/** Equal for settings that give equal stores. Calibration is fixed for a run and left out. */
export function planKey(settings: Settings): string {
  let key = keys.get(settings);
  if (key === undefined) {
    key = JSON.stringify(settings, (name, value) => name === "calibration" ? undefined : value);
    keys.set(settings, key);
  }
  return key;
}
