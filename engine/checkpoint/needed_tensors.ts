/**
 * The tensors of a checkpoint that a model needs.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { UserError } from "../../errors.ts";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";

/**
 * Finds the tensors of a model.
 *
 * @param wanted shape of every tensor of the model
 * @param ignorable whether a tensor the model does not need may be there
 * @throws {UserError} for missing, unexpected or misshapen tensors
 */
export function neededTensors(
  { path, config, tensors }: Checkpoint,
  wanted: ReadonlyMap<string, readonly number[]>,
  ignorable: (name: string) => boolean,
): Map<string, StoredTensor> {
  for (const [name, tensor] of tensors) {
    if (!wanted.has(name) && !ignorable(name)) {
      throw new UserError(
        `${tensor.path} has the tensor "${name}", which is not part of the model that its ${config.name} describes`,
      );
    }
  }
  const needed = new Map<string, StoredTensor>();
  for (const [name, shape] of wanted) {
    const tensor = tensors.get(name);
    if (tensor === undefined) {
      throw new UserError(`${path} lacks the tensor "${name}" of shape [${shape.join(", ")}]`);
    }
    const is = tensor.shape.join(", ");
    if (is !== shape.join(", ")) {
      throw new UserError(
        `In ${tensor.path} the tensor "${name}" has shape [${is}]; its ${config.name} asks for [${
          shape.join(", ")
        }]`,
      );
    }
    needed.set(name, tensor);
  }
  return needed;
}

/** Takes in name, dtype, shape and stored bytes of every tensor, in order of the names. */
export async function hashTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  hash: Hash,
): Promise<void> {
  for (const name of [...tensors.keys()].sort()) {
    const { dtype, shape, blocks } = tensors.get(name)!;
    hash.update(`${name} ${dtype} ${shape.join("x")}\n`);
    for await (const block of blocks()) hash.update(block);
  }
}
