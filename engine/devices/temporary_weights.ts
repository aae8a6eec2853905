/**
 * Files of weights that are gone after use.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { createHeld, removeAbandoned } from "../../files/held_file.ts";
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
 * left there is removed by the next: whoever uses a file holds a lock on it, which ends with its process.
 */
export const temporaryWeights: WeightsPlace = {
  async file(_key, _bytes, blocks) {
    if (!await mayWrite()) return undefined;
    const { path, file } = await createHeld(async () =>
      join(await Deno.makeTempDir({ prefix: PREFIX }), FILE)
    );
    const folder = dirname(path);
    removeLeft(dirname(folder));
    const remove = async () => {
      file.close();
      await Deno.remove(folder, { recursive: true });
    };
    try {
      await write(file, blocks());
    } catch (error) {
      await remove();
      if (isDiskFull(error)) return undefined;
      throw error;
    }
    return { path, start: 0, [Symbol.asyncDispose]: remove };
  },
};

function removeLeft(temporary: string): void {
  for (const { name } of Deno.readDirSync(temporary)) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(temporary, name);
    removeAbandoned(join(folder, FILE), () => Deno.removeSync(folder, { recursive: true }));
  }
}

async function write(file: Deno.FsFile, blocks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const block of blocks) {
    for (let done = 0; done < block.length;) done += await file.write(block.subarray(done));
  }
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    ["ENOSPC", "EDQUOT"].includes(`${error.code}`);
}
