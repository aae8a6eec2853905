/**
 * Stores of a cache on several threads, layer by layer. Every store computes what it would compute
 * alone, so that bits do not depend on how many threads there are, nor on when they are ready.
 *
 * @module
 */
import type { Calibration } from "../calibration.ts";
import type { Settings, Source, Store } from "../family.ts";
import { builtInFamilies, type FamilyName } from "../registry.ts";
import type { CpuTensor } from "../tensor.ts";
import type { SentCalibration, SharedSource } from "./messages.ts";
import { PoolThread } from "./pool_thread.ts";
import { RemoteStore } from "./remote_store.ts";
import { SharedMemory } from "./shared_memory.ts";

/**
 * Families whose stores are worth their messages to another thread; those of others are as fast here,
 * or look at keys and values at once.
 */
export const WORTH: readonly FamilyName[] = [
  "hf_hqq",
  "kvquant",
  "kvtc",
  "nova",
  "nvfp4",
  "squat",
  "transform",
  "turboquant",
];

/** Entries of a tensor from which on they are: 1,024 tokens of two heads of 64 channels. */
const LEAST_ENTRIES = 2 ** 17;

/** Layers of one kind whose stores are on one thread: that one, or absent the one that replays. */
interface Coupled {
  readonly id: number;
  readonly thread: PoolThread | undefined;
}

/** Threads that share the layers of a cache with the one that replays. */
export class StorePool {
  readonly #threads: (PoolThread | undefined)[] = [];
  readonly #memory: SharedMemory;
  readonly #calibrations = new WeakMap<Calibration, number>();
  readonly #gone: FinalizationRegistry<number>;
  /** Layers of one kind that are coupled: who holds their stores, all of them. */
  readonly #coupled = new WeakMap<readonly Source<CpuTensor>[], Coupled>();
  #ids = 0;
  #started = false;

  /** @param helpers threads beside the one that replays; they start when there is work for them */
  constructor(private readonly helpers: number) {
    this.#memory = new SharedMemory(() => this.#ids++);
    this.#gone = new FinalizationRegistry((id) => this.#forget(id));
  }

  /**
   * Opens a store on another thread.
   *
   * @returns undefined where the store is to be opened here
   */
  open(
    source: Source<CpuTensor>,
    settings: Settings,
    tokens: number,
  ): Store<CpuTensor> | undefined {
    const { heads, headDim } = source.tensor;
    const worth = (WORTH as readonly string[]).includes(settings.family) &&
      heads * tokens * headDim >= LEAST_ENTRIES;
    if (this.helpers === 0 || !worth) return undefined;
    this.#start();
    const family = builtInFamilies.of(settings.family);
    const coupled = family.couplesLayers?.(settings) ? this.#coupledOf(source) : undefined;
    // The last layers of a round are for the thread that replays.
    const thread = coupled === undefined
      ? this.#ready(settings.layer % (this.helpers + 1))
      : coupled.thread;
    if (thread === undefined) return undefined;
    const { calibration, ...rest } = settings;
    const id = this.#ids++;
    thread.tell({
      open: id,
      source: this.#shared(source),
      ...(coupled === undefined ? {} : {
        siblings: { id: coupled.id, sources: source.siblings.map((s) => this.#shared(s)) },
      }),
      settings: rest,
      ...(calibration === undefined ? {} : { calibration: this.#sent(calibration, thread) }),
      tokens,
    });
    const read = coupled === undefined ? [source] : source.siblings;
    for (const { rope } of read) {
      for (const table of Object.values(rope ?? {})) this.#memory.fill(table, table.capacity);
    }
    const local = family.openCpu(source, settings, 0);
    return new RemoteStore(id, thread, this.#memory, source, read, local);
  }

  /** A thread that can be asked; undefined for the one that replays. */
  #ready(index: number): PoolThread | undefined {
    const thread = this.#threads[index];
    return thread?.ready ? thread : undefined;
  }

  /** Keys are held by one thread and values by the next, or by the one that replays. */
  #coupledOf({ siblings, kind }: Source<CpuTensor>): Coupled {
    let coupled = this.#coupled.get(siblings);
    if (coupled === undefined) {
      coupled = { id: this.#ids++, thread: this.#ready(kind === "key" ? 0 : 1) };
      this.#coupled.set(siblings, coupled);
    }
    return coupled;
  }

  #shared(source: Source<CpuTensor>): SharedSource {
    const share = (tensor: CpuTensor) => this.#memory.share(tensor);
    const { layer, kind, promptTokens, tensor, preRope, rope, queries, keys } = source;
    return {
      layer,
      kind,
      promptTokens,
      tensor: share(tensor),
      ...(preRope === undefined ? {} : { preRope: share(preRope) }),
      ...(rope === undefined ? {} : { rope: { cos: share(rope.cos), sin: share(rope.sin) } }),
      ...(queries === undefined ? {} : { queries: share(queries) }),
      ...(keys === undefined ? {} : { keys: share(keys) }),
    };
  }

  /** Is told that a tensor is no longer used. */
  forget(tensor: CpuTensor): void {
    const id = this.#memory.drop(tensor);
    if (id !== undefined) this.#forget(id);
  }

  #forget(id: number): void {
    for (const thread of this.#threads) thread?.tell({ forget: id });
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    try {
      for (let i = 0; i < this.helpers; i++) this.#threads.push(new PoolThread());
    } catch { /* where no thread can be started, everything is done on this one */ }
  }

  #sent(arrays: Calibration, thread: PoolThread): SentCalibration {
    const known = this.#calibrations.get(arrays);
    const id = known ?? this.#ids++;
    if (known === undefined) {
      this.#calibrations.set(arrays, id);
      this.#gone.register(arrays, id);
    }
    return thread.firstSent(arrays) ? { id, arrays } : { id };
  }

  /** Ends the threads. */
  close(): void {
    for (const thread of this.#threads.splice(0)) thread?.close();
  }
}
