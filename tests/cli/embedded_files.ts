/**
 * Reads the files that `deno compile` put into a binary: a directory in JSON, preceded by its length
 * and followed by the length of the contents and the contents (denoland/deno,
 * cli/standalone/binary.rs and cli/lib/standalone/virtual_fs.rs, at 2.9).
 */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";

type Entry =
  | { readonly Dir: { readonly n: string; readonly e: readonly Entry[] } }
  | { readonly File: { readonly n: string; readonly o: readonly [at: number, length: number] } }
  | { readonly Symlink: { readonly n: string } };

/** Folder of npm packages in a binary. */
export const EMBEDDED_PACKAGES = ".deno_compile_node_modules/localhost/";

/** Contents of every file in a binary, by path. */
export async function embeddedFiles(binary: string): Promise<Map<string, Uint8Array>> {
  const bytes = Buffer.from((await Deno.readFile(binary)).buffer);
  const at = bytes.indexOf('[{"Dir":{"n":".deno_compile_node_modules"');
  assert(at > 0, `${binary} holds no directory of embedded files`);
  const end = at + Number(bytes.readBigUInt64LE(at - 8));
  const contents = bytes.subarray(end + 8, end + 8 + Number(bytes.readBigUInt64LE(end)));
  const files = new Map<string, Uint8Array>();
  const add = (entries: readonly Entry[], folder: string): void => {
    for (const entry of entries) {
      if ("Dir" in entry) add(entry.Dir.e, `${folder}${entry.Dir.n}/`);
      if (!("File" in entry)) continue;
      const { n, o: [from, length] } = entry.File;
      const content = contents.subarray(from, from + length);
      assertEquals(content.length, length, `${folder}${n} is cut off`);
      files.set(folder + n, content);
    }
  };
  add(JSON.parse(bytes.toString("utf8", at, end)), "");
  return files;
}
