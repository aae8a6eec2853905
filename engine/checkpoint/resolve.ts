/**
 * From what a user calls a model to where it is.
 *
 * @module
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../errors.ts";
import { commandText } from "../command_text.ts";
import { hubCacheFolder } from "./hub/cache_folder.ts";
import { cachedModel, type HubSource } from "./hub/cached_model.ts";
import { hubNameText, parseHubName } from "./hub/name.ts";
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

/** Where a model is. */
export interface ModelPlace {
  /** Its folder, or its GGUF file. */
  readonly path: string;
  /** The repository it comes from; absent for what is not from the hub. */
  readonly hub?: HubSource;
}

/**
 * Finds a model: a folder or file by its path, else an embedded one by its name, else one of the hub by
 * its name, in the hub's cache. A path that is there is meant before a name. The network is never asked. Where this module comes from a server, the
 * embedded models lie there too, and their paths are URLs.
 *
 * @throws {UserError} when `model` is none of these, or not there; it says what would bring it
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { findModel } from "./resolve.ts";
 *
 * assert((await findModel("mini")).path.endsWith("mini"));
 * ```
 */
export async function findModel(model: string): Promise<ModelPlace> {
  if (await Deno.stat(model).then(() => true, () => false)) return { path: model };
  if ((embeddedModels as readonly string[]).includes(model)) {
    return { path: await embeddedFolder(model, new URL("../../models/", import.meta.url)) };
  }
  const name = parseHubName(model);
  if (name === undefined) {
    throw new UserError(
      `Unknown model "${model}": use ${
        embeddedModels.join(", ")
      }, the path of a model folder or GGUF file, or the name of a model on the hub, OWNER/NAME; there is no ${
        resolve(model)
      }`,
    );
  }
  const advice = `"${commandText(`fetch ${hubNameText(name)}`)}" brings it there`;
  const { path, ...hub } = await cachedModel(name, hubCacheFolder(), advice);
  return { path, hub };
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
  const config = await openModelFile(fileIn(folder, "config.json"));
  if (config !== undefined) return folder;
  throw new UserError(
    `The model "${model}" is not at ${folder}: the published package holds only "${DEFAULT_MODEL}", so clone the repository or take the binary to have it`,
  );
}
