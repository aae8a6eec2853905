/**
 * Folders where the system keeps temporary files, each held by the process that made it.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { createHeld, removeAbandoned } from "./held_file.ts";

/** The file whose lock holds a folder. */
const HOLD = "held";

/** A folder that is removed with everything in it. */
export interface HeldFolder {
  readonly path: string;
  remove(): Promise<void>;
}

/**
 * Makes a folder, and removes those of the same kind that killed processes left.
 *
 * @param prefix of its name, that of its kind
 */
export async function createHeldFolder(prefix: string): Promise<HeldFolder> {
  const held = await createHeld(async () => join(await Deno.makeTempDir({ prefix }), HOLD));
  const path = dirname(held.path);
  removeLeft(dirname(path), prefix);
  return {
    path,
    remove: async () => {
      held[Symbol.dispose]();
      await Deno.remove(path, { recursive: true });
    },
  };
}

function removeLeft(temporary: string, prefix: string): void {
  for (const { name } of Deno.readDirSync(temporary)) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(temporary, name);
    removeAbandoned(join(folder, HOLD), () => Deno.removeSync(folder, { recursive: true }));
  }
}
