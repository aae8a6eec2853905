/**
 * A hash of the source a result depends on, so that a finished cell is run again when the code
 * behind it has changed and is left alone when other code has.
 *
 * @module
 */
import { sha256 } from "../engine/digest.ts";

/** Whatever a source file names by a relative path: imports, shaders, tables. */
const RELATIVE = /["'](\.{1,2}\/[\w./-]+\.(?:ts|js|json|jsonl|wgsl|yaml))["']/g;

const PROJECT = new URL("../", import.meta.url);

/** Sources that decide the numbers of every policy. */
const SHARED: readonly URL[] = ["evaluation/lab.ts", "quant/registry.ts"]
  .map((path) => new URL(path, PROJECT));

let shared: Promise<string> | undefined;

const REGISTRY = new URL("policies/registry.ts", PROJECT);

/**
 * Hash of the source that decides a built-in policy's numbers: the module that defines it, the
 * quantizers, the replay, prompts and scorers, each with all it imports from the project. Where the
 * source cannot be read, as in a compiled binary, the version of the package stands for it.
 *
 * @param version of the package
 */
export async function sourceHash(policy: string, version: string): Promise<string> {
  try {
    // Once for the process: what runs is the source as it was loaded, even if a file changes later.
    shared ??= hashOf(SHARED);
    return await sha256(`${await shared} ${await hashOf([await definingModule(policy)])}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return await sha256(`kvreplay ${version}`);
    throw error;
  }
}

/** Where the registry takes a policy from; the registry itself when it does not say. */
export async function definingModule(policy: string, registry: URL = REGISTRY): Promise<URL> {
  const text = await Deno.readTextFile(registry);
  const entry = new RegExp(`^\\s+["']?${RegExp.escape(policy)}["']?(?:: *(\\w+)\\b.*)?,$`, "m")
    .exec(text);
  const local = entry?.[1] ?? policy;
  for (const [, names, path] of text.matchAll(/import \{([^}]*)\} from "(\.[^"]+)"/g)) {
    const imported = names!.split(",").map((n) => n.trim().split(" as ").at(-1)!.trim());
    if (entry !== null && imported.includes(local)) return new URL(path!, registry);
  }
  return registry;
}

/**
 * Hash of files and of everything they name by a relative path, names included.
 *
 * @param project folder that files must be in to count
 */
export async function hashOf(entries: readonly URL[], project: URL = PROJECT): Promise<string> {
  const root = project.href;
  const found = new Map<string, string>();
  const open = [...entries];
  for (let url = open.pop(); url !== undefined; url = open.pop()) {
    if (found.has(url.href)) continue;
    const text = await Deno.readTextFile(url);
    found.set(url.href, await sha256(text));
    for (const [, path] of text.matchAll(RELATIVE)) {
      const next = new URL(path!, url);
      if (!next.href.startsWith(root) || found.has(next.href) || !await isFile(next)) continue;
      open.push(next);
    }
  }
  const lines = [...found].map(([href, hash]) => `${href.replace(root, "")} ${hash}`).sort();
  return await sha256(lines.join("\n"));
}

async function isFile(url: URL): Promise<boolean> {
  try {
    return (await Deno.stat(url)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
