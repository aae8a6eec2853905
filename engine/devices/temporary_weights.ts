/**
 * Files of weights that are gone after use.
 *
 * @module
 */
import { join } from "node:path";
import type { WeightsPlace } from "./weights_file.ts";

/** Whether this program may write files wherever it likes; it is not asked for here. */
export async function mayWrite(): Promise<boolean> {
  return (await Deno.permissions.query({ name: "write" })).state === "granted";
}

/**
 * A folder of its own where the system keeps temporary files. Nothing can be kept there by a program
 * that may not write, which is not asked about it, nor on a disk without room.
 */
export const temporaryWeights: WeightsPlace = {
  async file(_key, _bytes, blocks) {
    if (!await mayWrite()) return undefined;
    const folder = await Deno.makeTempDir({ prefix: "kvreplay-weights-" });
    const remove = () => Deno.remove(folder, { recursive: true });
    const path = join(folder, "weights");
    try {
      using file = await Deno.open(path, { write: true, createNew: true });
      await write(file, blocks());
    } catch (error) {
      await remove();
      if (isDiskFull(error)) return undefined;
      throw error;
    }
    return { path, start: 0, [Symbol.asyncDispose]: remove };
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
