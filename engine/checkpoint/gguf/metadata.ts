/**
 * The metadata of a GGUF file, read by key with its kind checked.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import type { GgufValue } from "./header_cursor.ts";
import { quoted } from "./quoted.ts";

/**
 * Values by key. Every reader throws when the value is of another kind, and when it is absent and no
 * fallback is given.
 */
export class Metadata {
  constructor(
    private readonly values: ReadonlyMap<string, GgufValue>,
    /** The file, for errors. */
    readonly path: string,
  ) {}

  /** Keys and values. */
  get entries(): Iterable<readonly [string, GgufValue]> {
    return this.values;
  }

  /** Whether the file has a key. */
  has(key: string): boolean {
    return this.values.has(key);
  }

  /** A text. */
  text(key: string, fallback?: string): string {
    return this.#value(key, fallback, "a text", isText);
  }

  /** True or false. */
  flag(key: string, fallback?: boolean): boolean {
    return this.#value(key, fallback, "true or false", (value) => typeof value === "boolean");
  }

  /** A finite number. */
  number(key: string, fallback?: number): number {
    return this.#value(key, fallback, "a finite number", isFinite);
  }

  /** A whole number from 0 on; of a list with one for each layer, the one that all have. */
  count(key: string, fallback?: number): number {
    const wanted = "a whole number from 0 on, the same for every layer";
    const value = this.#value<unknown>(key, fallback, wanted, () => true);
    const list = Array.isArray(value) && value.length > 0 ? value : [value];
    const [first] = list;
    if (list.every((one) => isCount(one) && one === first)) return first as number;
    throw this.#wrong(key, value, wanted);
  }

  /** A list of texts. */
  texts(key: string, fallback?: readonly string[]): readonly string[] {
    return this.#value(key, fallback, "a list of texts", listOf(isText));
  }

  /** A list of finite numbers. */
  numbers(key: string, fallback?: readonly number[]): readonly number[] {
    return this.#value(key, fallback, "a list of finite numbers", listOf(isFinite));
  }

  #value<T>(
    key: string,
    fallback: T | undefined,
    wanted: string,
    fits: (value: unknown) => boolean,
  ): T {
    const value = this.values.get(key) ?? fallback;
    if (value === undefined) {
      throw new UserError(`${this.path} lacks "${key}" in its metadata, which must be ${wanted}`);
    }
    if (!fits(value)) throw this.#wrong(key, value, wanted);
    return value as T;
  }

  #wrong(key: string, value: unknown, wanted: string): UserError {
    return new UserError(`${this.path}: "${key}" is ${quoted(value)}; it must be ${wanted}`);
  }
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isFinite(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && value as number >= 0;
}

function listOf(fits: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.every(fits);
}
