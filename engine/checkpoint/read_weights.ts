/**
 * Reading every tensor that a model needs from its checkpoint.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { UserError } from "../../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** A tensor's values and shape. */
export interface Weight {
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array<ArrayBuffer>;
}

/**
 * Reads the tensors in float32, one after the other.
 *
 * @param wanted shape of every tensor of the model
 * @param ignorable whether a tensor the model does not need may be there
 * @param hash takes in name, dtype, shape and stored bytes of every tensor, in order of the names
 * @throws {UserError} for missing, unexpected or misshapen tensors
 */
export async function readWeights(
  { path, config, tensors }: Checkpoint,
  wanted: ReadonlyMap<string, readonly number[]>,
  ignorable: (name: string) => boolean,
  hash: Hash,
): Promise<Map<string, Weight>> {
  for (const [name, tensor] of tensors) {
    if (!wanted.has(name) && !ignorable(name)) {
      throw new UserError(
        `${tensor.path} has the tensor "${name}", which is not part of the model that its ${config.name} describes`,
      );
    }
  }
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
  }
  const weights = new Map<string, Weight>();
  for (const name of [...wanted.keys()].sort()) {
    const { dtype, shape, bytes, values } = tensors.get(name)!;
    const stored = await bytes();
    hash.update(`${name} ${dtype} ${shape.join("x")}\n`).update(stored);
    weights.set(name, { shape, data: values(stored) });
  }
  return weights;
}
