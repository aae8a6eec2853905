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
   */
  receive(pause?: () => void): Uint8Array<ArrayBuffer>;
}

/** Bytes of shared memory that two sides need. */
export const SLATE_BYTES = 2 ** 21;

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
  // Words: whose turn it is to read or write, bytes in this piece, whether more pieces follow.
  const [TURN, LENGTH, MORE] = [0, 1, 2] as const;
  const words = new Int32Array(memory, 0, HEADER / 4);
  const shared = new Uint8Array(memory, HEADER);
  const other = 1 - me;
  // Held here, because the worker gives up its globals once it has its side.
  const { load, notify, store, wait: sleep } = Atomics;

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
    do {
      // The first piece is written in this side's turn, the others once the last one was taken.
      if (at > 0) wait();
      const piece = all.subarray(at, at + shared.length);
      at += piece.length;
      shared.set(piece);
      words[LENGTH] = piece.length;
      words[MORE] = at < all.length ? 1 : 0;
      pass();
    } while (at < all.length);
  }

  function receive(pause?: () => void): Uint8Array<ArrayBuffer> {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      wait(pause);
      // A copy: nothing is read from memory that another thread can write.
      pieces.push(new Uint8Array(shared.subarray(0, words[LENGTH]!)));
      if (words[MORE] === 0) break;
      pass();
    }
    if (pieces.length === 1) return pieces[0]!;
    const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  return { send, receive };
}
