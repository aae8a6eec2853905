/**
 * Ctrl-C: the first one ends a run in order, the second at once.
 *
 * @module
 */
import { UserError } from "../errors.ts";

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Why a run was ended from outside. */
export class Interrupted extends UserError {
  override name = "Interrupted";
  /** Exit code of a process that such a signal ends. */
  readonly exitCode: number;

  constructor(signal: keyof typeof EXIT_CODES) {
    super(`Interrupted by ${signal}`);
    this.exitCode = EXIT_CODES[signal];
  }
}

/** Turns signals of the system into an abort signal while it lives. */
export class InterruptListener implements Disposable {
  readonly #controller = new AbortController();
  readonly #listeners: { name: Deno.Signal; listener: () => void }[] = [];

  /** @param notice says what the first signal leads to */
  constructor(notice: (sentence: string) => void) {
    const names = Deno.build.os === "windows"
      ? ["SIGINT"] as const
      : ["SIGINT", "SIGTERM"] as const;
    for (const name of names) {
      const listener = () => {
        if (this.#controller.signal.aborted) Deno.exit(EXIT_CODES[name]);
        this.#controller.abort(new Interrupted(name));
        notice("Stopping after the present example; again to stop at once");
      };
      Deno.addSignalListener(name, listener);
      this.#listeners.push({ name, listener });
    }
  }

  /** Aborted by the first signal, with an `Interrupted` as its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const { name, listener } of this.#listeners) Deno.removeSignalListener(name, listener);
  }
}
