/**
 * @module
 */

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/**
 * A number of bytes for people.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sizeText } from "./size_text.ts";
 *
 * assertEquals([0, 1536, 8 * 2 ** 30].map(sizeText), ["0 bytes", "1.5 KiB", "8 GiB"]);
 * ```
 */
export function sizeText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  // 1023.95 would be shown as 1024.
  while (unit < UNITS.length - 1 && value >= 1023.95) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${UNITS[unit]}`;
}
