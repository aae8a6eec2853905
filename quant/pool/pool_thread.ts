/**
 * One thread of a pool, seen from the one that asks it.
 *
 * @module
 */
import { receiveMessageOnPort, Worker } from "node:worker_threads";
import { InternalError } from "../../errors.ts";
import type { Calibration } from "../calibration.ts";
import { QuantizerError } from "../quantizer_error.ts";
import { type Answer, ANSWERED, type Begin, READY, type Request } from "./messages.ts";

/** A value that may have to be waited for. */
export type Waited<V> = () => V;

/** A thread that was started. Its answers are waited for without letting anything else run. */
export class PoolThread {
  readonly #worker: Worker;
  readonly #state = new Int32Array(new SharedArrayBuffer(8));
  readonly #answers = new MessageChannel();
  /** Answers that came before they were asked for, by number. */
  readonly #early = new Map<number, Answer>();
  readonly #sent = new WeakSet<Calibration>();
  #asked = 0;
  #came = 0;

  /** @throws where the program may not read its own source, or has no file of it */
  constructor() {
    this.#worker = new Worker(new URL(import.meta.resolve("./pool_worker.ts")));
    // A program whose lab is left open ends all the same.
    this.#worker.unref();
    // One that cannot start never becomes ready, and everything is done here.
    this.#worker.on("error", () => {});
    const begin: Begin = { state: this.#state.buffer, answers: this.#answers.port2 };
    this.#worker.postMessage(begin, [this.#answers.port2 as never]);
  }

  /** Whether it can be asked. */
  get ready(): boolean {
    return Atomics.load(this.#state, READY) !== 0;
  }

  /** Whether these arrays have to be sent; from then on they have been. */
  firstSent(arrays: Calibration): boolean {
    if (this.#sent.has(arrays)) return false;
    this.#sent.add(arrays);
    return true;
  }

  /** Tells it something that has no answer. */
  tell(request: Request): void {
    this.#worker.postMessage(request);
  }

  /**
   * Asks it something.
   *
   * @returns what waits for the answer; throws what it threw
   */
  ask<V>(request: Request): Waited<V> {
    const number = this.#asked++;
    this.#worker.postMessage(request);
    return () => {
      const answer = this.#take(number);
      if ("message" in answer) {
        const { name, message } = answer;
        // deno-lint-ignore error-law/visible -- both are sentences of whoever threw them
        throw name === "QuantizerError" ? new QuantizerError(message) : new InternalError(message);
      }
      return answer.value as V;
    };
  }

  #take(number: number): Answer {
    for (;;) {
      const early = this.#early.get(number);
      if (early !== undefined) {
        this.#early.delete(number);
        return early;
      }
      Atomics.wait(this.#state, ANSWERED, this.#came);
      for (
        let got = receiveMessageOnPort(this.#answers.port1 as never);
        got !== undefined;
        got = receiveMessageOnPort(this.#answers.port1 as never)
      ) this.#early.set(this.#came++, got.message as Answer);
    }
  }

  /** Ends it. */
  close(): void {
    void this.#worker.terminate();
    this.#answers.port1.close();
  }
}
