/**
 * Files of weights that are gone after use.
 *
 * @module
 */
import { join } from "node:path";
import { createHeldFolder } from "../../files/held_folder.ts";
import type { WeightsPlace } from "./weights_file.ts";

const PREFIX = "kvreplay-weights-";
const FILE = "weights";

/** Whether this program may write files wherever it likes; it is not asked for here. */
export async function mayWrite(): Promise<boolean> {
  return (await Deno.permissions.query({ name: "write" })).state === "granted";
}

/**
 * A folder of its own where the system keeps temporary files. Nothing can be kept there by a program
 * that may not write, which is not asked about it, nor on a disk without room. What a killed program
 * left there is removed by the next.
 */
export const temporaryWeights: WeightsPlace = {
  async file(_key, _bytes, blocks) {
    if (!await mayWrite()) return undefined;
    const folder = await createHeldFolder(PREFIX);
    const path = join(folder.path, FILE);
    try {
      using file = await Deno.open(path, { write: true, createNew: true });
      await write(file, blocks());
    } catch (error) {
      await folder.remove();
      if (isDiskFull(error)) return undefined;
      throw error;
    }
    return { path, start: 0, [Symbol.asyncDispose]: folder.remove };
  },
};

async function write(file: Deno.FsFile, blocks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const block of blocks) {
    for (let done = 0; done < block.length;) done += await file.write(block.subarray(done));
  }
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    ["ENOSPC", "EDQUOT"].includes(`${error.code}`);
}
