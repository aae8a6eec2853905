/**
 * Which file of the project imports which, as Deno itself resolves them: modules, shaders, tables,
 * WebAssembly, and what is imported for its types alone.
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import { runDeno } from "./run_deno.ts";

/** One file that imports another; paths in the project. */
export interface Import {
  readonly from: string;
  readonly to: string;
  /** Whether it is imported for its types alone. */
  readonly typesOnly: boolean;
}

/** The part of `deno info --json` that is read. */
interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string; readonly error?: string };
      readonly type?: { readonly specifier?: string; readonly error?: string };
    }[];
  }[];
}

/**
 * Every import between files of a project. Libraries do not count, nor what stands in for one: an
 * import through the import map leads out of the project, wherever the map puts it.
 *
 * @param entries paths in the project; what they import is followed
 * @throws {UserError} when Deno cannot read an entry, or a module imports what is not there
 */
export async function moduleGraph(project: URL, entries: readonly string[]): Promise<Import[]> {
  const imports: Import[] = [];
  const seen = new Set<string>();
  for (const entry of entries) {
    if (seen.has(new URL(entry, project).href)) continue;
    const { success, stdout, stderr } = await runDeno(project, "info", "--json", entry);
    if (!success) throw new UserError(`Deno cannot say what ${entry} imports: ${stderr.trim()}`);
    for (const { specifier, error, dependencies = [] } of (JSON.parse(stdout) as Info).modules) {
      if (seen.has(specifier) || !specifier.startsWith(project.href)) continue;
      seen.add(specifier);
      if (error !== undefined) throw new UserError(`${specifier} cannot be read: ${error}`);
      const from = specifier.slice(project.href.length);
      for (const { specifier: written, code, type } of dependencies) {
        const failure = code?.error ?? type?.error;
        if (failure !== undefined) {
          throw new UserError(`${from} imports what is not there: ${failure}`);
        }
        const to = code?.specifier ?? type?.specifier;
        if (!written.startsWith(".") || to?.startsWith(project.href) !== true) continue;
        imports.push({ from, to: to.slice(project.href.length), typesOnly: code === undefined });
      }
    }
  }
  return imports;
}

/** Every TypeScript file of a project, as paths in it; what `exclude` of its deno.json names is not one. */
export async function sourceFiles(project: URL): Promise<string[]> {
  const { exclude = [] }: { exclude?: string[] } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", project)),
  );
  const files: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder, project))) {
      const path = folder + name;
      if (name.startsWith(".") || name === "node_modules" || exclude.includes(path)) continue;
      if (isDirectory) await visit(`${path}/`);
      else if (name.endsWith(".ts")) files.push(path);
    }
  };
  await visit("");
  return files.sort();
}
