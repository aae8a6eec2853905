/**
 * From what a user calls a model to its folder or file.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { UserError } from "../../errors.ts";
import { fileIn, openModelFile } from "./model_file.ts";

/**
 * Models that come with the project; `mini-outlier` computes what `mini` does, with the key outliers of
 * Qwen2.5. The published package has room for `mini` alone.
 */
export const embeddedModels = ["mini", "mini-outlier"] as const;

/** Name of a model that comes with the project. */
export type EmbeddedModel = typeof embeddedModels[number];

/** Model that is used when none is named. */
export const DEFAULT_MODEL: EmbeddedModel = "mini";

/**
 * The folder or file of a model: an embedded one by its name, else the name is a path. Where this
 * module comes from a server, the embedded models lie there too, and their folders are URLs.
 *
 * @throws {UserError} for an embedded model that did not come along, and listing the names when
 *   `model` is neither a name nor an existing path
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { modelFolder } from "./resolve.ts";
 *
 * assert((await modelFolder("mini")).endsWith("mini"));
 * ```
 */
export async function modelFolder(model: string): Promise<string> {
  if ((embeddedModels as readonly string[]).includes(model)) {
    return await embeddedFolder(model, new URL("../../models/", import.meta.url));
  }
  if (await Deno.stat(model).then(() => true, () => false)) return model;
  throw new UserError(
    `Unknown model "${model}": use ${
      embeddedModels.join(", ")
    } or the path of a model folder or GGUF file`,
  );
}

/**
 * The folder of an embedded model.
 *
 * @param models URL of the folder that holds the models, with a slash at its end
 * @throws {UserError} when the model is not there
 */
export async function embeddedFolder(model: string, models: URL): Promise<string> {
  const url = new URL(model, models);
  const folder = url.protocol === "file:" ? fileURLToPath(url) : url.href;
  using config = await openModelFile(fileIn(folder, "config.json"));
  if (config !== undefined) return folder;
  throw new UserError(
    `The model "${model}" is not at ${folder}: the published package holds only "${DEFAULT_MODEL}", so clone the repository or take the binary to have it`,
  );
}
