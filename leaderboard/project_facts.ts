/**
 * What is known of the project and the machine: commit, library versions.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };

/** Versions of what the numbers may depend on: Deno, V8 and the runtime that runs the model. */
export function libraryVersions(): Record<string, string> {
  const npm = Object.values(config.imports)
    .map((specifier) => /^npm:(onnxruntime-(?:node|web))@([\d.]+)$/.exec(specifier))
    .flatMap((match) => match === null ? [] : [[match[1]!, match[2]!] as const]);
  return { deno: Deno.version.deno, v8: Deno.version.v8, ...Object.fromEntries(npm) };
}

/** Operating system, processor, cores and GPU in words. */
export function machineText(gpu?: string): string {
  const host = `${Deno.build.os} ${Deno.build.arch}, ${navigator.hardwareConcurrency} cores`;
  return gpu === undefined ? host : `${host}, ${gpu}`;
}

const PROJECT = new URL("../", import.meta.url);

/**
 * Commit of the checkout this code is in, 40 digits; `unknown` outside a checkout. Read from git's
 * own files (gitrepository-layout(5)), so that no program has to be run.
 *
 * @param project folder of the checkout
 */
export async function projectCommit(project: URL = PROJECT): Promise<string> {
  const folder = await gitFolder(project);
  const head = folder && (await textOf(new URL("HEAD", folder)))?.trim();
  if (folder === undefined || head === undefined) return "unknown";
  if (/^[0-9a-f]{40,64}$/.test(head)) return head;
  const ref = /^ref: (\S+)$/.exec(head)?.[1];
  if (ref === undefined) return "unknown";
  // A linked worktree keeps its HEAD to itself and its branches in the common folder.
  const common = (await textOf(new URL("commondir", folder)))?.trim();
  const shared = common === undefined ? folder : new URL(`${common}/`, folder);
  const loose = (await textOf(new URL(ref, shared)))?.trim();
  if (loose !== undefined) return loose;
  const packed = await textOf(new URL("packed-refs", shared)) ?? "";
  const line = packed.split("\n").find((l) => l.endsWith(` ${ref}`));
  return line?.split(" ")[0] ?? "unknown";
}

/** The folder of git's files: `.git`, or where a `.git` file points. */
async function gitFolder(project: URL): Promise<URL | undefined> {
  const own = new URL(".git/", project);
  if (await textOf(new URL("HEAD", own)) !== undefined) return own;
  const pointer = /^gitdir: (.+)$/m.exec(await textOf(new URL(".git", project)) ?? "")?.[1];
  return pointer === undefined ? undefined : new URL(`${pointer}/`, project);
}

async function textOf(url: URL): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(url);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
