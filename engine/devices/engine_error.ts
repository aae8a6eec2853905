/**
 * The error of a device that cannot be used on this machine.
 *
 * @module
 */

/** A device that cannot be opened. The message is one sentence that says what would be needed. */
export class EngineError extends Error {
  override name = "EngineError";
}
