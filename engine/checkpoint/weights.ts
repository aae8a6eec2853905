/**
 * The weights of a model folder: `model.safetensors`, or shards named by
 * `model.safetensors.index.json` (huggingface/transformers, `docs/source/en/models.md`, "Sharded checkpoints").
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { UserError } from "../../errors.ts";
import { toFloat32 } from "./float_types.ts";
import { isJsonObject, parseJsonObject, readTextIfPresent } from "./json_file.ts";
import { fileIn, openModelFile } from "./model_file.ts";
import { SafetensorsFile, type TensorEntry } from "./safetensors.ts";

/** The one file of weights that are not split. */
export const WEIGHTS = "model.safetensors";

/** Names the shards of weights that are. */
export const WEIGHTS_INDEX = "model.safetensors.index.json";

/** A tensor's values and shape. */
export interface Weight {
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array<ArrayBuffer>;
}

/**
 * Reads every tensor that a model needs, in float32.
 *
 * @param wanted shape of every tensor of the model
 * @param ignorable whether a tensor the model does not need may be there
 * @param hash takes in name, dtype, shape and bytes of every tensor, in order of the names
 * @throws {UserError} for missing, unexpected, doubly stored or misshapen tensors and broken files
 */
export async function readWeights(
  folder: string,
  wanted: ReadonlyMap<string, readonly number[]>,
  ignorable: (name: string) => boolean,
  hash: Hash,
): Promise<Map<string, Weight>> {
  const files = await openFiles(folder);
  try {
    const found = new Map<string, { file: SafetensorsFile; entry: TensorEntry }>();
    for (const file of files) {
      for (const [name, entry] of file.tensors) {
        const other = found.get(name);
        if (other !== undefined) {
          throw new UserError(
            `The tensor "${name}" is in both ${other.file.path} and ${file.path}`,
          );
        }
        if (!wanted.has(name) && !ignorable(name)) {
          throw new UserError(
            `${file.path} has the tensor "${name}", which is not part of the model that its config.json describes`,
          );
        }
        found.set(name, { file, entry });
      }
    }
    for (const [name, shape] of wanted) {
      const place = found.get(name);
      if (place === undefined) {
        throw new UserError(
          `${folder} lacks the tensor "${name}" of shape [${shape.join(", ")}]`,
        );
      }
      const is = place.entry.shape.join(", ");
      if (is !== shape.join(", ")) {
        throw new UserError(
          `In ${place.file.path} the tensor "${name}" has shape [${is}]; config.json asks for [${
            shape.join(", ")
          }]`,
        );
      }
    }
    const weights = new Map<string, Weight>();
    for (const name of [...wanted.keys()].sort()) {
      const { file, entry } = found.get(name)!;
      const bytes = await file.readBytes(entry);
      hash.update(`${name} ${entry.dtype} ${entry.shape.join("x")}\n`).update(bytes);
      weights.set(name, { shape: entry.shape, data: toFloat32(bytes, entry.dtype) });
    }
    return weights;
  } finally {
    for (const file of files) file.close();
  }
}

async function openFiles(folder: string): Promise<SafetensorsFile[]> {
  const single = await openModelFile(fileIn(folder, WEIGHTS));
  if (single !== undefined) return [await SafetensorsFile.of(single)];
  const indexPath = fileIn(folder, WEIGHTS_INDEX);
  const index = await readTextIfPresent(indexPath);
  if (index === undefined) {
    throw new UserError(
      `${folder} has no weights: neither ${WEIGHTS} nor ${WEIGHTS_INDEX} is there`,
    );
  }
  const shardOf = readIndex(parseJsonObject(index, indexPath), indexPath);
  const files: SafetensorsFile[] = [];
  try {
    for (const shard of new Set(shardOf.values())) {
      const opened = await openModelFile(fileIn(folder, shard));
      if (opened === undefined) {
        throw new UserError(`${folder} lacks the shard "${shard}" that ${WEIGHTS_INDEX} names`);
      }
      const file = await SafetensorsFile.of(opened);
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
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
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
