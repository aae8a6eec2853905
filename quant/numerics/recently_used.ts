/**
 * Tables that are made once and shared, as many as fit.
 *
 * @module
 */

/** Values by key; those that were used longest ago go first when they take too many bytes. */
export class RecentlyUsed<V> {
  readonly #values = new Map<string, { readonly value: V; readonly bytes: number }>();
  #bytes = 0;

  /**
   * @param mostBytes that all values take; one alone may take more
   * @param bytesOf a value
   */
  constructor(private readonly mostBytes: number, private readonly bytesOf: (value: V) => number) {}

  /**
   * The value of a key, made when it is not there.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { RecentlyUsed } from "./recently_used.ts";
   *
   * const made: string[] = [];
   * const tables = new RecentlyUsed<Float64Array>(16, ({ byteLength }) => byteLength);
   * const table = (key: string) =>
   *   tables.get(key, () => {
   *     made.push(key);
   *     return new Float64Array(1);
   *   });
   * for (const key of ["a", "b", "a", "c", "a", "b"]) table(key);
   * assertEquals(made, ["a", "b", "c", "b"]);
   * ```
   */
  get(key: string, make: () => V): V {
    const known = this.#values.get(key);
    if (known !== undefined) {
      // A map lists its keys in the order in which they were put in.
      this.#values.delete(key);
      this.#values.set(key, known);
      return known.value;
    }
    const value = make();
    const bytes = this.bytesOf(value);
    this.#values.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const [oldest, { bytes }] of this.#values) {
      if (this.#bytes <= this.mostBytes || oldest === key) break;
      this.#values.delete(oldest);
      this.#bytes -= bytes;
    }
    return value;
  }
}
