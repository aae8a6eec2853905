/**
 * Finds a model of the hub in the cache, without asking the hub.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../../errors.ts";
import { partNames } from "../gguf/part_names.ts";
import { modelFiles } from "./model_files.ts";
import { type HubName, hubNameText } from "./name.ts";
import { RepoCache } from "./repo_cache.ts";

/**
 * Which model of the hub something was computed with.
 *
 * @example
 * ```ts
 * import { type HubSource, open } from "@kvreplay/kvreplay";
 *
 * await using lab = await open("mini", { device: "cpu" });
 * // An embedded model comes from no repository.
 * const source: HubSource | undefined = lab.hub;
 * console.log(source?.commit ?? "not from the hub");
 * ```
 */
export interface HubSource {
  /** `OWNER/NAME`. */
  readonly name: string;
  /** 40 digits. */
  readonly commit: string;
}

/** A model in the cache. */
export interface CachedModel extends HubSource {
  /** Its folder, or its GGUF file. */
  readonly path: string;
}

/** Files whose absence changes how a model is used. */
const TELLING = ["generation_config.json", "chat_template.jinja"];

/**
 * The model that a name stands for, with all of its files.
 *
 * @param advice what would bring it there, for the message
 * @throws {UserError} when it is not there, or not all of it
 */
export async function cachedModel(
  name: HubName,
  cacheFolder: string,
  advice: string,
): Promise<CachedModel> {
  const cache = new RepoCache(cacheFolder, name.repo);
  const commit = await cache.commitOf(name.revision);
  if (commit === undefined) {
    throw new UserError(
      `The model ${hubNameText(name)} is not in the hub's cache at ${cacheFolder}; ${advice}`,
    );
  }
  const folder = cache.snapshot(commit);
  const { files, missing } = await modelFiles(name, {
    has: (path) => cache.has(commit, path),
    text: (path) => Deno.readTextFile(join(folder, path)),
  });
  const listed = name.file === undefined ? await cache.listed(commit) ?? [] : [];
  const lacking = [
    ...missing,
    ...TELLING.filter((path) => listed.includes(path) && !files.includes(path)),
  ];
  if (lacking.length > 0) {
    throw new UserError(
      `Of the model ${hubNameText(name)} the hub's cache at ${cacheFolder} lacks ${
        lacking.join(", ")
      }; ${advice}`,
    );
  }
  const path = name.file === undefined ? folder : join(folder, partNames(name.file)[0]!);
  return { name: name.repo.name, commit, path };
}
