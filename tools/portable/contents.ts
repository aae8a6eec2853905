/**
 * Which files the one file holds: what Deno finds when it follows the imports of the program, what
 * `compile` of deno.json names besides, and the packages from npm as they lie in Deno's cache.
 *
 * @module
 */
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../errors.ts";
import config from "../../deno.json" with { type: "json" };
import { projectCommit } from "../../leaderboard/project_facts.ts";
import type { CompileTarget } from "../compile_targets.ts";
import { runDeno } from "../gates/run_deno.ts";
import { leftOut } from "../left_out.ts";

/** The module that is the program. */
export const ENTRY = "cli.ts";

/** Files of packages that nothing reads while the program runs. */
const UNREAD = /\.(?:map|d\.[cm]?ts)$/;

/** The part of `deno info --json` that is read. */
interface Info {
  readonly modules: readonly { readonly specifier: string; readonly npmPackage?: string }[];
  readonly npmPackages: Readonly<Record<string, NpmPackage>>;
}

interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly dependencies: readonly string[];
  readonly localPath: string;
}

/**
 * Contents of every file of the program, by path in the folder that it is run from: the project's
 * where they are in the project, the packages' in `node_modules`.
 *
 * @throws {UserError} when Deno cannot follow the imports
 */
export async function contents(
  project: URL,
  target: CompileTarget,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const { success, stdout, stderr } = await runDeno(project, "info", "--json", ENTRY);
  if (!success) throw new UserError(`Deno cannot say what ${ENTRY} imports: ${stderr.trim()}`);
  const info: Info = JSON.parse(stdout);
  const named = [
    ...info.modules.map(({ specifier }) => specifier)
      .filter((specifier) => specifier.startsWith(project.href))
      .map((specifier) => specifier.slice(project.href.length)),
    ...config.compile.include,
    ...config.links.map((folder) => `${folder}/deno.json`),
    ...["deno.json", "LICENSE"],
  ];
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const path of named) {
    for await (const file of filesOf(fileURLToPath(new URL(path, project)))) {
      found.set(pathIn(fileURLToPath(project), file), await Deno.readFile(file));
    }
  }
  const unread = new Set(leftOut(target));
  for (const [place, { localPath }] of packagesOf(info)) {
    for await (const file of filesOf(localPath, unread)) {
      if (UNREAD.test(file)) continue;
      found.set(`${place}/${pathIn(localPath, file)}`, await Deno.readFile(file));
    }
  }
  // Results tell the commit they were made at; this is where a checkout keeps it.
  const commit = await projectCommit(project);
  if (commit !== "unknown") found.set(".git/HEAD", new TextEncoder().encode(`${commit}\n`));
  return found;
}

/**
 * The packages that modules import, with those they depend on, by their folders: the first version of
 * a package where everybody finds it, any other inside the package that asks for it.
 */
function packagesOf({ modules, npmPackages }: Info): Map<string, NpmPackage> {
  const placed = new Map<string, NpmPackage>();
  const open: { id: string; within: string }[] = modules.flatMap(({ npmPackage: id }) =>
    id === undefined ? [] : [{ id, within: "" }]
  );
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const found = npmPackages[next.id]!;
    const shared = `node_modules/${found.name}`;
    const place = [shared, `${next.within}${shared}`]
      .find((path) => (placed.get(path) ?? found).version === found.version);
    if (place === undefined) {
      throw new UserError(
        `The program uses ${found.name} ${
          placed.get(shared)!.version
        } and ${found.version}; expected one version of each package that it imports itself`,
      );
    }
    if (placed.has(place)) continue;
    placed.set(place, found);
    open.push(...found.dependencies.map((id) => ({ id, within: `${place}/` })));
  }
  return placed;
}

/** A file, or every file below a folder, as absolute paths. */
async function* filesOf(
  path: string,
  without: ReadonlySet<string> = new Set(),
): AsyncGenerator<string> {
  if (without.has(path) || without.has(`${path}${sep}`)) return;
  if ((await Deno.stat(path)).isFile) return yield path;
  for await (const { name } of Deno.readDir(path)) yield* filesOf(join(path, name), without);
}

/** A file's path below a folder, as URLs write it. */
function pathIn(folder: string, file: string): string {
  return relative(folder, file).replaceAll(sep, "/");
}
