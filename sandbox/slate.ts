/**
 * How the two threads of the sandbox's process talk: a piece of shared memory on which either side
 * writes while the other waits. Waiting blocks the thread, so between two questions a policy does
 * not run at all, neither its promises nor anything else of it. The policy's realm never sees the
 * memory.
 *
 * @module
 */

/** One side of the slate. */
export interface SlateSide {
  /** Writes bytes for the other side. */
  send(bytes: Uint8Array): void;
  /**
   * Waits for bytes of the other side.
   * @param pause called about every 10 ms meanwhile
   * @param room where they go, given how many there are; absent for memory of their own
   */
  receive<T extends Uint8Array = Uint8Array<ArrayBuffer>>(
    pause?: () => void,
    room?: (bytes: number) => T,
  ): T;
  /** Waits for bytes of the other side, and tells the first of them; `receive` gives all. */
  peek(): number;
}

/** Bytes of shared memory that two sides need: 2 MiB of tensors and what is said of them go at once. */
export const SLATE_BYTES = 2 ** 21 + 2 ** 17;

/**
 * One side of the slate in `memory`; side 0 begins. What is longer than the memory goes in pieces.
 * Refers to nothing outside itself.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SLATE_BYTES, slateSide } from "./slate.ts";
 *
 * const memory = new SharedArrayBuffer(SLATE_BYTES);
 * slateSide(memory, 0).send(Uint8Array.of(1, 2));
 * assertEquals(slateSide(memory, 1).receive(), Uint8Array.of(1, 2));
 * ```
 */
export function slateSide(memory: SharedArrayBuffer, me: 0 | 1): SlateSide {
  const HEADER = 64;
  const PAUSE_MS = 10;
  // Words: whose turn it is to read or write, bytes in this piece, and in all of them together.
  const [TURN, LENGTH, TOTAL] = [0, 1, 2] as const;
  const words = new Int32Array(memory, 0, HEADER / 4);
  const shared = new Uint8Array(memory, HEADER);
  const other = 1 - me;
  // Held here, because the worker gives up its globals once it has its side.
  const { load, notify, store, wait: sleep } = Atomics;
  // Room may be memory of a guest's realm, whose own `set` is the guest's to change.
  const { apply } = Reflect;
  const { set } = Uint8Array.prototype;
  const subarray = shared.subarray.bind(shared);

  function pass(): void {
    store(words, TURN, other);
    notify(words, TURN);
  }

  function wait(pause?: () => void): void {
    while (load(words, TURN) !== me) {
      if (sleep(words, TURN, other, PAUSE_MS) === "timed-out") pause?.();
    }
  }

  function send(all: Uint8Array): void {
    let at = 0;
    words[TOTAL] = all.length;
    do {
      // The first piece is written in this side's turn, the others once the last one was taken.
      if (at > 0) wait();
      const piece = all.subarray(at, at + shared.length);
      at += piece.length;
      shared.set(piece);
      words[LENGTH] = piece.length;
      pass();
    } while (at < all.length);
  }

  function receive<T extends Uint8Array>(
    pause?: () => void,
    room: (bytes: number) => T = (bytes) => new Uint8Array(bytes) as T,
  ): T {
    wait(pause);
    const total = words[TOTAL]!;
    let all: T | undefined;
    let failed: { readonly error: unknown } | undefined;
    for (let at = 0;;) {
      const length = words[LENGTH]!;
      try {
        all ??= room(total);
        // A copy: nothing is read from memory that another thread can write.
        apply(set, all, [subarray(0, length), at]);
      } catch (error) {
        // The other side must not be left with pieces that nobody takes.
        failed ??= { error };
      }
      at += length;
      if (at >= total) break;
      pass();
      wait(pause);
    }
    if (failed !== undefined) throw failed.error;
    return all!;
  }

  function peek(): number {
    wait();
    return shared[0]!;
  }

  return { send, receive, peek };
}
