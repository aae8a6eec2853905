/**
 * From what a user calls a model to its folder or file.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { UserError } from "../../errors.ts";

/** Models that come with the project; `mini-outlier` computes what `mini` does, with the key outliers of Qwen2.5. */
export const embeddedModels = ["mini", "mini-outlier"] as const;

/** Name of a model that comes with the project. */
export type EmbeddedModel = typeof embeddedModels[number];

/** Model that is used when none is named. */
export const DEFAULT_MODEL: EmbeddedModel = "mini";

/**
 * The folder or file of a model: an embedded one by its name, else the name is a path.
 *
 * @throws {UserError} listing the names when `model` is neither a name nor an existing path
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
    return fileURLToPath(new URL(`../../models/${model}`, import.meta.url));
  }
  if (await Deno.stat(model).then(() => true, () => false)) return model;
  throw new UserError(
    `Unknown model "${model}": use ${
      embeddedModels.join(", ")
    } or the path of a model folder or GGUF file`,
  );
}
