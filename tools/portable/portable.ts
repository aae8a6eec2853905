/**
 * The one file: a shell script, an index, the deno that made it, and every file of the program.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { PROGRAM_NAME } from "../../engine/command_text.ts";
import { InternalError } from "../../errors.ts";
import type { CompileTarget } from "../compile_targets.ts";
import { contents } from "./contents.ts";
import { launcher } from "./launcher.ts";
import type { Entry } from "./unpack.ts";

/** Room for the script; its numbers depend on where it ends. */
const SCRIPT_BYTES = 2 ** 15;

/** Where one file is stored. */
interface Stored extends Entry {
  readonly content: Uint8Array<ArrayBuffer>;
}

/**
 * Writes the one file.
 *
 * @param path where it is written
 * @throws {UserError} when Deno cannot follow the program's imports
 */
export async function writePortable(
  path: string,
  { project, name, target }: { project: URL; name: string; target: CompileTarget },
): Promise<void> {
  const files = await contents(project, target);
  const program = await Deno.readFile(Deno.execPath());
  const stored = [storedAs(PROGRAM_NAME, program, program, 0)];
  for (const [path, content] of [...files].sort(([a], [b]) => a < b ? -1 : 1)) {
    const { at, stored: before } = stored.at(-1)!;
    const small = new Uint8Array(zstdCompressSync(content));
    const kept = small.length < content.length ? small : content;
    stored.push(storedAs(path, content, kept, at + before));
  }
  const index = new TextEncoder().encode(
    JSON.stringify(stored.map(({ content: _, ...entry }) => entry)),
  );
  const script = new TextEncoder().encode(launcher({
    target: name,
    indexAt: SCRIPT_BYTES,
    indexBytes: index.length,
    digest: sha256(index),
    program: PROGRAM_NAME,
    programAt: SCRIPT_BYTES + index.length,
    programBytes: program.length,
  }));
  if (script.length > SCRIPT_BYTES) {
    throw new InternalError(`The script has ${script.length} bytes, more than ${SCRIPT_BYTES}`);
  }
  const padding = new Uint8Array(SCRIPT_BYTES - script.length).fill("\n".charCodeAt(0));
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o755 });
  for (const bytes of [script, padding, index, ...stored.map(({ content }) => content)]) {
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  }
  await file.syncData();
}

function storedAs(
  path: string,
  whole: Uint8Array<ArrayBuffer>,
  content: Uint8Array<ArrayBuffer>,
  at: number,
): Stored {
  return { path, bytes: whole.length, sha256: sha256(whole), at, stored: content.length, content };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
