/** A project of a few files that a test writes and removes. */
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/**
 * A folder with these files, removed with `using`.
 *
 * @param files texts by path; without a deno.json among them there is an empty one
 */
export async function temporaryProject(
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<{ url: URL } & AsyncDisposable> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "kvreplay-project-" }));
  const url = pathToFileURL(`${path}/`);
  for (const [name, content] of Object.entries({ "deno.json": "{}", ...files })) {
    const file = fileURLToPath(new URL(name, url));
    await Deno.mkdir(dirname(file), { recursive: true });
    if (typeof content === "string") await Deno.writeTextFile(file, content);
    else await Deno.writeFile(file, content);
  }
  return { url, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
