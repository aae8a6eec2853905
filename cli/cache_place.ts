/**
 * Where one user's references, calibrations and weights are kept.
 *
 * @module
 */
import { posix, win32 } from "node:path";

/**
 * The folder of the cache: `KVREPLAY_CACHE`, else `kvreplay` where the system keeps caches
 * (`$XDG_CACHE_HOME`, `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`); undefined when no variable
 * says so.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cachePlace } from "./cache_place.ts";
 *
 * const variables = new Map([["HOME", "/home/ada"]]);
 * assertEquals(cachePlace("linux", (name) => variables.get(name)), "/home/ada/.cache/kvreplay");
 * ```
 */
export function cachePlace(
  os: typeof Deno.build.os = Deno.build.os,
  variable: (name: string) => string | undefined = (name) => Deno.env.get(name),
): string | undefined {
  const own = variable("KVREPLAY_CACHE");
  if (own) return own;
  if (os === "windows") {
    const local = variable("LOCALAPPDATA");
    return local ? win32.join(local, "kvreplay", "Cache") : undefined;
  }
  const xdg = variable("XDG_CACHE_HOME");
  // The specification has a relative path ignored.
  if (xdg && posix.isAbsolute(xdg)) return posix.join(xdg, "kvreplay");
  const home = variable("HOME");
  if (!home) return undefined;
  return posix.join(home, ...(os === "darwin" ? ["Library", "Caches"] : [".cache"]), "kvreplay");
}
