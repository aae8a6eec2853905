/**
 * The names of a GGUF model's parts, `NAME-00001-of-0000N.gguf` (ggml-org/llama.cpp,
 * tools/gguf-split).
 *
 * @module
 */

/**
 * The parts of a model, the first of which leads to the others; of a whole file only itself.
 *
 * @param file name or path of the file, or of any part
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { partNames } from "./part_names.ts";
 *
 * assertEquals(partNames("m-00002-of-00002.gguf"), [
 *   "m-00001-of-00002.gguf",
 *   "m-00002-of-00002.gguf",
 * ]);
 * assertEquals(partNames("m.gguf"), ["m.gguf"]);
 * ```
 */
export function partNames(file: string): readonly string[] {
  const [, start, of] = /^(.*)-\d{5}-of-(\d{5})\.gguf$/.exec(file) ?? [];
  if (of === undefined) return [file];
  return Array.from(
    { length: Number(of) },
    (_, i) => `${start}-${String(i + 1).padStart(5, "0")}-of-${of}.gguf`,
  );
}
