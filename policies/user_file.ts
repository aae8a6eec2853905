/**
 * A file of the user's, before anything in it runs: its ending, its name, its bytes.
 *
 * @module
 */
import { basename, resolve } from "node:path";
import { PolicyError } from "./check.ts";
import { readUpTo } from "./read_up_to.ts";
import { builtinLike } from "./registry.ts";
import { quoted } from "../sandbox/sandbox_error.ts";
import { shown } from "../sandbox/shown.ts";

/** What a file holds, in the words of an error. */
export interface FileKind {
  /** `Policy` or `Quantizer`. */
  readonly what: string;
  /** Endings of its name. */
  readonly endings: readonly string[];
  /** Other names that are taken, in lower case. */
  readonly taken?: readonly string[];
}

/** Endings of modules. */
export const MODULE_ENDINGS: readonly string[] = [".ts", ".mts", ".js", ".mjs"];

/**
 * The ending of a file's name.
 *
 * @throws {PolicyError} for one that is no module
 */
export function endingOf(path: string, { what, endings }: FileKind): string {
  const ending = typeof path !== "string"
    ? undefined
    : endings.find((ending) => path.endsWith(ending));
  if (ending !== undefined) return ending;
  throw new PolicyError(
    `${what} file ${shown(path)} is no module; its name should end in ${endings.join(", ")}`,
  );
}

/**
 * The name under which the results of a file are reported: one word, and no built-in's. One in Python
 * that is called like a built-in keeps its ending.
 *
 * @throws {PolicyError} when there is none, or it is a built-in's
 */
export function reportedName(path: string, kind: FileKind): string {
  const name = fileName(path, kind.endings);
  if (/^[_.-]*$/.test(name)) {
    throw new PolicyError(
      `${kind.what} file ${shown(path)} has no name to report its results under`,
    );
  }
  const taken = builtinLike(name) ?? kind.taken?.find((other) => other === name.toLowerCase());
  if (taken === undefined) return name;
  // No built-in is written in Python: with its ending, a twin of one has a name of its own.
  if (path.endsWith(".py") && kind.endings.includes(".py")) return `${name}.py`;
  throw new PolicyError(
    `${kind.what} file ${shown(path)} has the name of the built-in ${taken}; give it another`,
  );
}

/** A file's name without its folder and ending, as one word. */
export function fileName(path: string, endings: readonly string[]): string {
  const ending = endings.find((ending) => path.endsWith(ending));
  return basename(path, ending).replace(/[^A-Za-z0-9_.-]+/g, "_");
}

/**
 * A file's bytes.
 *
 * @param most no more are read
 * @param hint what else is said of a longer one
 * @throws {PolicyError} for a file that is not there, is too long or cannot be read
 */
export async function readUserFile(
  path: string,
  what: string,
  most: number,
  hint = "",
): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readUpTo(path, most);
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? `does not exist; it was looked for at ${quoted(resolve(path))}`
      : error instanceof Deno.errors.IsADirectory
      ? "is a folder"
      : `cannot be read: ${quoted((error as Error).message)}`;
    throw new PolicyError(`${what} file ${shown(path)} ${why}`);
  }
  if (bytes !== undefined) return bytes;
  throw new PolicyError(`${what} file ${shown(path)} has more than ${most} bytes${hint}`);
}
