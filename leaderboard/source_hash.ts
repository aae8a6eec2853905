/**
 * A hash of the source a result depends on, so that a finished cell is run again when the code
 * behind it has changed and is left alone when other code has.
 *
 * @module
 */
import { sha256 } from "../engine/digest.ts";
import { nameAndGroup } from "../policies/group_size.ts";

/**
 * Whatever a module may name of its neighbours: any text that starts like a relative path, and what
 * is resolved against the module itself. What then is no file is left out.
 */
const NAMED = [
  /["'`](\.{1,2}\/[^"'`\s]+)["'`]/g,
  /\bnew URL\(\s*["'`]([^"'`\s]+)["'`],\s*import\.meta\.url\b/g,
];

/** Files that may name others, and what in them does not: examples name whom they like. */
const MODULE = /\.[cm]?[jt]s$/;
const DOC_COMMENT = /^\s*\/\*\*[\s\S]*?\*\//gm;

/** Versions of all libraries: which of them decide a number is not told apart. */
const LOCK = "deno.lock";

const PROJECT = new URL("../", import.meta.url);

/** Sources that decide the numbers of every policy. */
export const SHARED: readonly URL[] = ["evaluation/lab.ts", "quant/registry.ts", LOCK]
  .map((path) => new URL(path, PROJECT));

/** Sources that decide the prompts and scores of benchmarks that are not embedded. */
const BENCHMARKS: readonly URL[] = [
  "benchmark_slices.ts",
  "contained_benchmark.ts",
  "needle_slices.ts",
]
  .map((path) => new URL(`evaluation/benchmarks/${path}`, PROJECT));

/** Once for the process: what runs is the source as it was loaded, even if a file changes later. */
let shared: Promise<string> | undefined;
let benchmarks: Promise<string> | undefined;
let program: Promise<string> | undefined;

const REGISTRY = new URL("policies/registry.ts", PROJECT);
/** What runs quantizers of the user's. */
const CODECS = new URL("codecs/codec_file.ts", PROJECT);

/**
 * Hash of the source that decides a built-in policy's numbers: the module that defines it, the
 * quantizers, the replay, prompts and scorers, each with all it imports from the project. Where the
 * source cannot be read, as in a compiled binary, the version of the package stands for it.
 *
 * @param version of the package
 */
export async function sourceHash(policy: string, version: string): Promise<string> {
  return await orVersion(async () => {
    shared ??= hashOf(SHARED);
    return await sha256(`${await shared} ${await hashOf([await definingModule(policy)])}`);
  }, version);
}

/**
 * The same for a quantizer of the user's: the source that runs it, and what the user brought.
 *
 * @param brought SHA-256 of the latter
 */
export async function broughtHash(brought: string, version: string): Promise<string> {
  const own = await orVersion(async () => {
    shared ??= hashOf(SHARED);
    return `${await shared} ${await hashOf([CODECS])}`;
  }, version);
  return await sha256(`${own} ${brought}`);
}

/**
 * Hash of the source that decides the prompts and scores of benchmarks that are not embedded; the
 * version stands for it where it cannot be read.
 *
 * @param version of the package
 */
export async function benchmarkSource(version: string): Promise<string> {
  return await orVersion(() => benchmarks ??= hashOf(BENCHMARKS), version);
}

/**
 * Hash of the whole program: its entry with all that it names, and the versions of libraries. Where
 * the source cannot be read, the version stands for it, too.
 *
 * @param version of the package
 */
export async function programHash(version: string): Promise<string> {
  return await orVersion(
    () => program ??= hashOf([new URL("cli.ts", PROJECT), new URL(LOCK, PROJECT)]),
    version,
  );
}

/** A hash of source; as in a compiled binary, that of the version where there is none. */
async function orVersion(hash: () => Promise<string>, version: string): Promise<string> {
  try {
    return await hash();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return await sha256(`kvreplay ${version}`);
    throw error;
  }
}

/** Where the registry takes a policy from; the registry itself when it does not say. */
export async function definingModule(policy: string, registry: URL = REGISTRY): Promise<URL> {
  const text = await Deno.readTextFile(registry);
  const { name } = nameAndGroup(policy);
  const entry = new RegExp(`^\\s+["']?${RegExp.escape(name)}["']?(?:: *(\\w+)\\b.*)?,$`, "m")
    .exec(text);
  const local = entry?.[1] ?? name;
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
  const lines: string[] = [];
  for (const [path, bytes] of await namedFiles(entries, project)) {
    lines.push(`${path} ${await sha256(bytes)}`);
  }
  return await sha256(lines.sort().join("\n"));
}

/** Contents of files and of everything they name by a relative path, by their paths in the project. */
export async function namedFiles(
  entries: readonly URL[],
  project: URL = PROJECT,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  const open = [...entries];
  for (let url = open.pop(); url !== undefined; url = open.pop()) {
    const path = url.href.slice(project.href.length);
    if (found.has(path)) continue;
    const bytes = await Deno.readFile(url);
    found.set(path, bytes);
    if (!MODULE.test(path)) continue;
    const text = new TextDecoder().decode(bytes).replaceAll(DOC_COMMENT, "");
    for (const [, name] of NAMED.flatMap((pattern) => [...text.matchAll(pattern)])) {
      const next = new URL(name!, url);
      if (next.href.startsWith(project.href) && await isFile(next)) open.push(next);
    }
  }
  return found;
}

async function isFile(url: URL): Promise<boolean> {
  try {
    return (await Deno.stat(url)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}
