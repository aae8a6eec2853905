/**
 * Files that are there whole or not at all.
 *
 * @module
 */

/**
 * Writes a text file under a temporary name beside it, then renames it, so that a reader sees the
 * old file or the new one and a run that dies leaves no half of one. Folders are made as needed.
 *
 * @throws Deno.errors.PermissionDenied and the like, as the file system gives them; the temporary
 * file is removed
 */
export async function writeWholeFile(path: string, text: string): Promise<void> {
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
  if (folder !== "") await Deno.mkdir(folder, { recursive: true });
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.writeTextFile(temporary, text, { createNew: true });
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}
