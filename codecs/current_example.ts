/**
 * The one example that a quantizer's processes are in: stores that are opened together belong to it,
 * and what one of an earlier example asks comes too late.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import type { KvKind } from "../quant/family.ts";

/** Stores of one example, each layer and kind once. */
export interface ExampleStores {
  has(layer: number, kind: KvKind): boolean;
}

/** Tells which example is the current one. */
export class CurrentExample<S extends ExampleStores> {
  #session: S | undefined;

  /**
   * @param name of the quantizer
   * @param begin makes what holds the stores of a new example
   */
  constructor(private readonly name: string, private readonly begin: () => S) {}

  /** The example that the next store of a layer and kind belongs to. */
  sessionFor(layer: number, kind: KvKind): S {
    if (this.#session === undefined || this.#session.has(layer, kind)) {
      this.#session = this.begin();
    }
    return this.#session;
  }

  /** Whether no other example has begun since. */
  is(session: S): boolean {
    return session === this.#session;
  }

  /** @throws {InternalError} when another example has begun since */
  check(session: S): void {
    if (this.is(session)) return;
    throw new InternalError(`Quantizer ${this.name} was asked about an example that has ended`);
  }
}

/** Processes that end together. */
export interface EndedTogether {
  close(): Promise<void>;
  /** What went wrong first; that the others ended is its consequence. */
  failed?: unknown;
}

/** Does something with processes that are ended when it fails: nothing is asked of them then. */
export async function orEnded<V>(processes: EndedTogether, work: () => Promise<V>): Promise<V> {
  try {
    return await work();
  } catch (error) {
    processes.failed ??= error;
    await processes.close();
    throw processes.failed;
  }
}
