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
import type { SentCalibration } from "./messages.ts";
import { PoolThread } from "./pool_thread.ts";
import { RemoteStore } from "./remote_store.ts";
import { SharedMemory } from "./shared_memory.ts";

/**
 * Families whose stores are worth their messages to another thread; those of others are as fast here,
 * or look at several layers at once.
 */
export const WORTH: readonly FamilyName[] = [
  "hf_hqq",
  "kvquant",
  "nova",
  "nvfp4",
  "squat",
  "transform",
  "turboquant",
];

/** Entries of a tensor from which on they are: 1,024 tokens of two heads of 64 channels. */
const LEAST_ENTRIES = 2 ** 17;

/** Threads that share the layers of a cache with the one that replays. */
export class StorePool {
  readonly #threads: (PoolThread | undefined)[] = [];
  readonly #memory: SharedMemory;
  readonly #calibrations = new WeakMap<Calibration, number>();
  readonly #gone: FinalizationRegistry<number>;
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
    // The last layers of a round are for the thread that replays.
    const thread = this.#threads[settings.layer % (this.helpers + 1)];
    if (thread === undefined || !thread.ready) return undefined;
    const share = (tensor: CpuTensor) => this.#memory.share(tensor);
    const { layer, kind, promptTokens, preRope, rope, queries, keys } = source;
    const { calibration, ...rest } = settings;
    const id = this.#ids++;
    thread.tell({
      open: id,
      source: {
        layer,
        kind,
        promptTokens,
        tensor: share(source.tensor),
        ...(preRope === undefined ? {} : { preRope: share(preRope) }),
        ...(rope === undefined ? {} : { rope: { cos: share(rope.cos), sin: share(rope.sin) } }),
        ...(queries === undefined ? {} : { queries: share(queries) }),
        ...(keys === undefined ? {} : { keys: share(keys) }),
      },
      settings: rest,
      ...(calibration === undefined ? {} : { calibration: this.#sent(calibration, thread) }),
      tokens,
    });
    if (rope !== undefined) {
      for (const table of Object.values(rope)) this.#memory.fill(table, table.capacity);
    }
    const local = builtInFamilies.of(settings.family).openCpu(source, settings, 0);
    return new RemoteStore(id, thread, this.#memory, source, local);
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
