/**
 * The two kinds of error: what the user did, and what this project did. Every error class derives
 * from one of them; the message is one sentence with the value that was wrong and what would be
 * right, and says all there is to say.
 *
 * @module
 */

/**
 * What the user asked for cannot be done: a policy, a file, a setting or the machine is at fault.
 * The sentence is enough to put it right. The command line prints it and ends with exit code 1.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { UserError } from "./errors.ts";
 *
 * const widthOf = (text: string) => {
 *   if (text !== "2" && text !== "4") throw new UserError(`A width is 2 or 4, not "${text}"`);
 *   return Number(text);
 * };
 * assertThrows(() => widthOf("3"), UserError, 'A width is 2 or 4, not "3"');
 * ```
 */
export class UserError extends Error {
  /** Tells it from other errors without its class. */
  override name = "UserError";

  /**
   * Makes an error of a sentence.
   *
   * @param message one sentence; of a long one, which quotes a file, the middle is left out
   * @param options its cause, if there is one
   */
  constructor(message: string = "", options?: ErrorOptions) {
    // deno-lint-ignore error-law/visible -- it is the maker's
    super(message.length <= LONGEST ? message : shortened(message), options);
  }
}

/** Characters of a sentence that a person may still read. */
const LONGEST = 2000;

/** Both ends: what was wrong stands first, and what would be right last. */
function shortened(message: string): string {
  const half = LONGEST / 2 - 20;
  return `${message.slice(0, half)} [...] ${message.slice(-half)}`.toWellFormed();
}

/**
 * Something that must hold in this project does not, whatever the user did. No policy is blamed for
 * it: the run ends, and the command line asks for a report and ends with exit code 1.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { InternalError } from "./errors.ts";
 *
 * const checkSum = (counted: number, reported: number) => {
 *   if (counted !== reported) {
 *     throw new InternalError(`The buffers hold ${counted} bytes, but ${reported} were reported`);
 *   }
 * };
 * assertThrows(() => checkSum(12, 16), InternalError, "hold 12 bytes, but 16 were reported");
 * ```
 */
export class InternalError extends Error {
  /** Tells it from other errors without its class. */
  override name = "InternalError";
}
