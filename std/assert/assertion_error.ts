/** Thrown by a failed assertion. */
export class AssertionError extends Error {
  /**
   * @param message what was expected and what came
   * @param options as of `Error`
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** ": why" or ".", the end of every assertion's message. */
export function suffix(msg: string | undefined): string {
  return msg ? `: ${msg}` : ".";
}

/** Throws an `AssertionError`. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}
