/**
 * Pyodide's files: the evaluator reads them, and the process that runs Python is sent them.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

type Bytes = Uint8Array<ArrayBuffer>;

/** Python for the sandbox. */
export interface PyodideFiles {
  /** One module of Pyodide's two, which import nothing. */
  readonly source: string;
  readonly wasm: Bytes;
  /** Python's standard library, a zip file. */
  readonly library: Bytes;
}

let read: Promise<PyodideFiles> | undefined;

/**
 * The files of the package, read once.
 *
 * @throws {Deno.errors.NotFound} when the package is not installed
 */
export function pyodideFiles(): Promise<PyodideFiles> {
  return read ??= readFiles();
}

async function readFiles(): Promise<PyodideFiles> {
  // Names the package to Deno, which does not find its other files without.
  await import("pyodide");
  const names = ["pyodide.asm.mjs", "pyodide.mjs", "pyodide-lock.json", "pyodide.asm.wasm"];
  const [runtime, loader, lock, wasm, library] = await Promise.all(
    [...names, "python_stdlib.zip"]
      .map((name) => Deno.readFile(fileURLToPath(import.meta.resolve(`pyodide/${name}`)))),
  ) as [Bytes, Bytes, Bytes, Bytes, Bytes];
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  // Of the list of packages only what it was made for: none of them is there.
  const { info } = JSON.parse(text(lock));
  const source = [text(runtime), text(loader), `export const info = ${JSON.stringify(info)};`];
  return { source: source.join("\n"), wasm, library };
}
