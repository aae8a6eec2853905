/**
 * Memory that this program may still take.
 *
 * @module
 */

/** Files of the control group of a Linux container (kernel documentation, "Control Group v2", memory). */
const CONTAINER = "/sys/fs/cgroup/";

/**
 * Bytes that are free, or hold nothing but copies of files: of the machine, or of the container whose
 * limit is nearer. Undefined for a program that may not ask (`--allow-sys=systemMemoryInfo`).
 */
export async function freeMemory(): Promise<number | undefined> {
  const { state } = await Deno.permissions.query({ name: "sys", kind: "systemMemoryInfo" });
  if (state !== "granted") return undefined;
  return Math.min(Deno.systemMemoryInfo().available, await freeInContainer());
}

/** Infinite where there is no limit, or it cannot be read. */
async function freeInContainer(): Promise<number> {
  if (Deno.build.os !== "linux") return Infinity;
  const { state } = await Deno.permissions.query({ name: "read", path: CONTAINER });
  if (state !== "granted") return Infinity;
  try {
    const [limit, taken, parts] = await Promise.all(
      ["max", "current", "stat"].map((name) => Deno.readTextFile(`${CONTAINER}memory.${name}`)),
    );
    return limitLeft(limit!, taken!, parts!);
  } catch {
    return Infinity;
  }
}

/**
 * What a control group may still take.
 *
 * @param limit text of `memory.max`
 * @param taken text of `memory.current`
 * @param parts text of `memory.stat`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { limitLeft } from "./free_memory.ts";
 *
 * assertEquals(limitLeft("1000\n", "700\n", "anon 500\ninactive_file 150\nactive_file 50\n"), 500);
 * assertEquals(limitLeft("max\n", "700\n", ""), Infinity);
 * ```
 */
export function limitLeft(limit: string, taken: string, parts: string): number {
  const most = Number.parseInt(limit);
  const now = Number.parseInt(taken);
  if (Number.isNaN(most) || Number.isNaN(now)) return Infinity;
  const copies = [...parts.matchAll(/^(?:in)?active_file (\d+)$/gm)];
  return most - now + copies.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}
