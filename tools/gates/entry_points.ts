/**
 * The modules that a user of the library can import.
 *
 * @module
 */

/** Paths of the entry points in a project, as `exports` of its deno.json lists them. */
export async function entryPoints(project: URL): Promise<string[]> {
  const { exports }: { exports: string | Record<string, string> } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", project)),
  );
  return typeof exports === "string" ? [exports] : Object.values(exports);
}
