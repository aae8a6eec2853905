/**
 * Reading the JSON files of a model folder.
 *
 * @module
 */
import { duplicateKey } from "../../duplicate_key.ts";
import { UserError } from "../../errors.ts";
import { type ModelFile, openModelFile, openNeededFile } from "./model_file.ts";

/** A parsed JSON object. */
export type JsonObject = { readonly [key: string]: unknown };

/** Whether `value` is a JSON object (not an array, not null). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses the text of a JSON object in which no key occurs twice.
 *
 * @param what what the text is, for errors: usually the file's path
 * @throws {UserError} when the text is not JSON, not an object, or has a duplicate key
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { parseJsonObject } from "./json_file.ts";
 *
 * assertThrows(() => parseJsonObject('{"a": 1, "a": 2}', "config.json"), Error, '"a" twice');
 * ```
 */
export function parseJsonObject(text: string, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${what} is not valid JSON: ${(error as Error).message}`);
  }
  if (!isJsonObject(value)) throw new UserError(`${what} must hold a JSON object`);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new UserError(`${what} holds the key "${twice}" twice`);
  return value;
}

/**
 * Reads a text file of a model folder.
 *
 * @throws {UserError} when the file is absent, unreadable or not UTF-8
 */
export async function readText(path: string): Promise<string> {
  const file = await openNeededFile(path);
  return await decoded(file);
}

/** Reads a text file, or undefined when there is none. */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  const file = await openModelFile(path);
  return file === undefined ? undefined : await decoded(file);
}

async function decoded(file: ModelFile): Promise<string> {
  const bytes = await file.read(0, file.size);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${file.path} is not UTF-8 text`);
  }
}
