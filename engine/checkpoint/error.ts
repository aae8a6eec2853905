/**
 * The error of a model that cannot be used as it was given.
 *
 * @module
 */

/** A model folder, file or name that cannot be used. The message is one sentence for the user. */
export class ModelError extends Error {
  override name = "ModelError";
}
