/**
 * Texts of the user's.
 *
 * @module
 */
import { UserError } from "../../errors.ts";

/** Bytes of a text. */
export const LONGEST_TEXT = 2 ** 28;

/**
 * A text of UTF-8.
 *
 * @throws {UserError} for one that is not there, is none or is too long
 */
export async function readText(path: string): Promise<string> {
  try {
    const { size } = await Deno.stat(path);
    if (size > LONGEST_TEXT) {
      throw new UserError(
        `The text ${path} has ${size} bytes; supported are up to ${LONGEST_TEXT}`,
      );
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot read the text ${path}: ${(error as Error).message}`);
  }
}
