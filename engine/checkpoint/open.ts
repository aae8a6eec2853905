/**
 * Opens a checkpoint of any format.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openFolder } from "./folder.ts";
import { openGguf } from "./gguf/checkpoint.ts";
import { fileIn, isUrl, openModelFile } from "./model_file.ts";

/**
 * Opens what a path names: a Hugging Face folder, a GGUF file or one of its parts, or a folder that
 * holds one such model.
 *
 * @throws {UserError} one sentence naming the file and what was expected
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  if (isUrl(path)) return await openFolder(path);
  if (!await isFolder(path)) return await openGguf(path);
  const config = await openModelFile(fileIn(path, "config.json"));
  const file = config === undefined ? await onlyGguf(path) : undefined;
  return file === undefined ? await openFolder(path) : await openGguf(join(path, file));
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UserError(`The model ${path} does not exist`);
    }
    throw new UserError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** The GGUF model in a folder, by the name of its file or first part; undefined when there is none. */
async function onlyGguf(folder: string): Promise<string | undefined> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const later = /-(\d{5})-of-\d{5}\.gguf$/.exec(name)?.[1] ?? "00001";
    if (name.endsWith(".gguf") && later === "00001") names.push(name);
  }
  if (names.length <= 1) return names[0];
  throw new UserError(
    `${folder} holds ${names.length} GGUF models, ${names.sort().join(", ")}: name the one to load`,
  );
}
