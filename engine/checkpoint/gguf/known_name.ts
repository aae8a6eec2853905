/**
 * Names in a file's metadata that choose how its tokenizer works.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import type { Metadata } from "./metadata.ts";
import { quoted } from "./quoted.ts";

/**
 * The value of `key`, which names an entry of `known`.
 *
 * @throws {UserError} when it is missing, or names none
 */
export function knownName<K extends string>(
  metadata: Metadata,
  key: string,
  known: Readonly<Record<K, unknown>>,
): K {
  const name = metadata.text(key);
  if (Object.hasOwn(known, name)) return name as K;
  throw new UserError(
    `${metadata.path}: "${key}" is ${quoted(name)}; those that are known are ${
      Object.keys(known).join(", ")
    }, and for another one --tokenizer takes a folder with tokenizer.json`,
  );
}
