/**
 * The weights of a model folder: `model.safetensors`, or shards named by
 * `model.safetensors.index.json` (huggingface/transformers, `docs/source/en/models.md`, "Sharded checkpoints").
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import type { StoredTensor } from "./checkpoint.ts";
import { isJsonObject, parseJsonObject, readTextIfPresent } from "./json_file.ts";
import { fileIn, openModelFile } from "./model_file.ts";
import { SafetensorsFile } from "./safetensors.ts";

/** The one file of weights that are not split. */
export const WEIGHTS = "model.safetensors";

/** Names the shards of weights that are. */
export const WEIGHTS_INDEX = "model.safetensors.index.json";

/**
 * The tensors of a model folder.
 *
 * @throws {UserError} for missing and broken files, and for a tensor that is in two of them
 */
export async function storedWeights(folder: string): Promise<Map<string, StoredTensor>> {
  const found = new Map<string, StoredTensor>();
  for (const file of await openFiles(folder)) {
    for (const [name, entry] of file.tensors) {
      const other = found.get(name);
      if (other !== undefined) {
        throw new UserError(`The tensor "${name}" is in both ${other.path} and ${file.path}`);
      }
      found.set(name, file.tensor(entry));
    }
  }
  return found;
}

async function openFiles(folder: string): Promise<SafetensorsFile[]> {
  const open = async (name: string) => {
    const file = await openModelFile(fileIn(folder, name));
    return file && await SafetensorsFile.of(file);
  };
  const single = await open(WEIGHTS);
  if (single !== undefined) return [single];
  const indexPath = fileIn(folder, WEIGHTS_INDEX);
  const index = await readTextIfPresent(indexPath);
  if (index === undefined) {
    throw new UserError(
      `${folder} has no weights: neither ${WEIGHTS} nor ${WEIGHTS_INDEX} is there`,
    );
  }
  const shardOf = readIndex(parseJsonObject(index, indexPath), indexPath);
  const files: SafetensorsFile[] = [];
  for (const shard of new Set(shardOf.values())) {
    const file = await open(shard);
    if (file === undefined) {
      throw new UserError(`${folder} lacks the shard "${shard}" that ${WEIGHTS_INDEX} names`);
    }
    files.push(file);
    for (const [name, listed] of shardOf) {
      if (listed === shard && !file.tensors.has(name)) {
        throw new UserError(
          `${indexPath} says that the tensor "${name}" is in ${shard}, but it is not there`,
        );
      }
    }
  }
  return files;
}

/**
 * Reads the shard of every tensor from an index.
 *
 * @param path of the index, for errors
 * @throws {UserError} when it names none, or one outside its folder
 */
export function readIndex(json: Record<string, unknown>, path: string): Map<string, string> {
  const map = json.weight_map;
  if (!isJsonObject(map) || Object.keys(map).length === 0) {
    throw new UserError(`${path} must map tensors to shards in "weight_map"`);
  }
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    // A shard lies in the folder itself: a path would let an index reach any file of the machine.
    if (typeof shard !== "string" || !/^[\w.-]+\.safetensors$/.test(shard)) {
      throw new UserError(
        `${path} puts the tensor "${name}" in ${
          JSON.stringify(shard)
        }; the plain name of a .safetensors file is needed`,
      );
    }
    shardOf.set(name, shard);
  }
  return shardOf;
}
