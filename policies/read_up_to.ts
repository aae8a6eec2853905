/**
 * Reading a file of the user's that may be of any length, or without an end.
 *
 * @module
 */

/**
 * The bytes of a file; undefined when there are more than `most`, which are not read.
 *
 * @throws {Deno.errors} when it cannot be read
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readUpTo } from "./read_up_to.ts";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "abc");
 * assertEquals(await readUpTo(path, 3), new TextEncoder().encode("abc"));
 * assertEquals(await readUpTo(path, 2), undefined);
 * await Deno.remove(path);
 * ```
 */
export async function readUpTo(
  path: string,
  most: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  using file = await Deno.open(path, { read: true });
  let bytes = new Uint8Array(Math.min(most + 1, 2 ** 16));
  let length = 0;
  for (;;) {
    const read = await file.read(bytes.subarray(length));
    if (read === null) return bytes.subarray(0, length);
    length += read;
    if (length > most) return undefined;
    if (length === bytes.length) {
      const longer = new Uint8Array(Math.min(2 * length, most + 1));
      longer.set(bytes);
      bytes = longer;
    }
  }
}
