/**
 * The door to the terminal: everything that a command says goes through here, so that nothing that was
 * read from a file or heard from a policy is obeyed there.
 *
 * @module
 */
import { UserError } from "../errors.ts";

/** What moves a cursor, colours, hides or reverses text. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
  ).join("");
}

/**
 * A text of several lines with every control character but tab and line feed written out, as JSON does it:
 * the text of a JSON document still means the same.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { shownLines } from "./terminal.ts";
 *
 * assertEquals(shownLines("a\u001b[31mb\nc\u202ed"), "a\\u001b[31mb\nc\\u202ed");
 * ```
 */
export function shownLines(text: string): string {
  return text.replace(
    CONTROL,
    (character) => /[\t\n]/.test(character) ? character : escaped(character),
  );
}

/** The same on one line. */
export function shownLine(text: string): string {
  return shownLines(text).replaceAll("\n", "\\n");
}

/**
 * Writes lines to standard output.
 *
 * @throws {UserError} when they cannot be written, as on a full disk; a reader that left is no error
 */
export function print(text: string): void {
  let rest: Uint8Array = new TextEncoder().encode(`${shownLines(text)}\n`);
  try {
    while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    throw new UserError(`Cannot write to standard output: ${(error as Error).message}`);
  }
}

/** Writes lines to standard error. */
export function tell(text: string): void {
  console.error(shownLines(text));
}
