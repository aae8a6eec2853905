/**
 * Readers of the fields of a sweep's file.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { shown } from "../sandbox/shown.ts";

/** How a field's value becomes one of a definition; `where` is the start of every error message. */
export type Reader<V> = (value: unknown, where: string) => V;

/** A mapping whose fields are taken one by one, so that what nobody takes can be refused. */
export class Fields {
  readonly #left: Map<string, unknown>;
  readonly #asked: string[] = [];

  /** @param where of the mapping, for errors */
  constructor(given: Readonly<Record<string, unknown>>, readonly where: string) {
    this.#left = new Map(Object.entries(given));
  }

  /** A field's value; `absent` where there is none, or null. */
  take<V>(field: string, read: Reader<V>, absent: V): V {
    const value = this.#left.get(field);
    this.#left.delete(field);
    this.#asked.push(field);
    return value === undefined || value === null ? absent : read(value, `${this.where}, ${field}`);
  }

  /** The same as a mapping of one field, or of none where it is absent. */
  some<N extends string, V>(field: N, read: Reader<V>): { readonly [name in N]?: V } {
    const value = this.take<V | undefined>(field, read, undefined);
    return (value === undefined ? {} : { [field]: value }) as { readonly [name in N]?: V };
  }

  /**
   * Refuses what was not asked for.
   *
   * @param of what the mapping is, in words
   * @throws {UserError} naming a field that nobody knows
   */
  done(of: string): void {
    const unknown = this.#left.keys().next().value;
    if (unknown === undefined) return;
    throw new UserError(
      `${this.where} has the field ${shown(unknown)}; ${of} has ${this.#asked.join(", ")}`,
    );
  }
}

/** A text that is not empty. */
export const oneText: Reader<string> = (value, where) => {
  if (typeof value === "string" && value !== "") return value;
  throw new UserError(`${where}: is ${shown(value)}; expected a text`);
};

/** Yes or no. */
export const yesOrNo: Reader<boolean> = (value, where) => {
  if (typeof value === "boolean") return value;
  throw new UserError(`${where}: is ${shown(value)}; expected true or false`);
};

/** A list, or a single value, as a list without repetitions. */
export function listOf<V>(read: Reader<V>): Reader<readonly V[]> {
  return (value, where) => {
    const values = (Array.isArray(value) ? value : [value]).map((one) => read(one, where));
    if (values.length > 0) return distinct(values);
    throw new UserError(`${where}: is an empty list; expected at least one entry`);
  };
}

/** Texts that are not empty, at least one. */
export const texts: Reader<readonly string[]> = listOf(oneText);

/** A whole number of a range. */
export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (value, where) => {
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) {
      return value as number;
    }
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
    throw new UserError(`${where}: is ${shown(value)}; expected a whole number ${range}`);
  };
}

/** One of several names. */
export function oneOf<N extends string>(names: readonly N[]): Reader<N> {
  return (value, where) => {
    const found = names.find((name) => name === value);
    if (found !== undefined) return found;
    throw new UserError(`${where}: is ${shown(value)}; expected ${names.join(", ")}`);
  };
}

/** A mapping of further fields. */
export const mapping: Reader<Readonly<Record<string, unknown>>> = (value, where) => {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new UserError(`${where}: is ${shown(value)}; expected a mapping`);
};

/** Values, each once. */
export function distinct<V>(values: readonly V[]): V[] {
  return [...new Set(values)];
}
