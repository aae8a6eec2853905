/**
 * What `deno publish` would send to a registry.
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import { runDeno } from "./run_deno.ts";

/** What JSR takes of one version, in bytes: all its files together (jsr-io/jsr, api/src/tarball.rs). */
export const MOST_BYTES = 20 * 2 ** 20;

/** A file of the package. */
export interface PackageFile {
  /** Path in the project. */
  readonly path: string;
  readonly bytes: number;
}

/**
 * The files of the package.
 *
 * @throws {UserError} with what Deno says, when the project cannot be published
 */
export async function packageFiles(project: URL): Promise<PackageFile[]> {
  const { success, stderr } = await runDeno(project, "publish", "--dry-run", "--allow-dirty");
  if (!success) throw new UserError(`The project cannot be published: ${stderr.trim()}`);
  const lines = stderr.matchAll(/^ {3}(file:\S+) \([\d.]+[KM]?B\)$/gm);
  const files = Array.from(lines, async ([, href]) => {
    const url = new URL(href!);
    return { path: url.href.slice(project.href.length), bytes: (await Deno.stat(url)).size };
  });
  if (files.length === 0) {
    throw new UserError(`Deno lists no file of the package: ${stderr.trim()}`);
  }
  return await Promise.all(files);
}

/** Why a registry would not take these files; undefined when it would. */
export function tooLarge(files: readonly PackageFile[]): string | undefined {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes <= MOST_BYTES) return undefined;
  const largest = files.toSorted((a, b) => b.bytes - a.bytes).slice(0, 3).map(({ path }) => path);
  return `The package has ${bytes} bytes, and JSR takes ${MOST_BYTES}: the largest files are ${
    largest.join(", ")
  }`;
}
