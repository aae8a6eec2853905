/**
 * Typed access to the fields of a JSON object in a configuration.
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import type { JsonObject } from "./json_file.ts";

/** Fields of one object; a field that is null counts as absent. */
export class ConfigFields {
  /** @param path of the object, for errors */
  constructor(private readonly json: JsonObject, private readonly path: string) {}

  /** A positive integer, up to `most`. */
  size(name: string, fallback?: number, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(name, fallback);
    const isInteger = Number.isSafeInteger(value) && (value as number) > 0;
    if (isInteger && (value as number) <= most) return value as number;
    throw this.wrong(name, value, `a positive integer${isInteger ? ` up to ${most}` : ""}`);
  }

  /** A positive finite number. */
  positive(name: string, fallback?: number): number {
    const value = this.#get(name, fallback);
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    throw this.wrong(name, value, "a positive number");
  }

  /** A finite number, 0 or above. */
  notNegative(name: string, fallback?: number): number {
    const value = this.#get(name, fallback);
    if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
    throw this.wrong(name, value, "a number not below 0");
  }

  /** One of the given values. */
  oneOf<const V>(name: string, allowed: readonly V[], fallback?: V): V {
    const value = this.#get(name, fallback);
    if ((allowed as readonly unknown[]).includes(value)) return value as V;
    throw this.wrong(name, value, allowed.map((v) => JSON.stringify(v)).join(" or "));
  }

  /** The error of a field with a value that cannot be used. */
  wrong(name: string, value: unknown, wanted: string): UserError {
    return new UserError(
      `${this.path}: ${name} is ${JSON.stringify(value)}; supported is ${wanted}`,
    );
  }

  #get(name: string, fallback: unknown): unknown {
    const value = this.json[name] ?? fallback;
    if (value === undefined) throw new UserError(`${this.path} lacks the field "${name}"`);
    return value;
  }
}
