/**
 * Which files of a repository a model is loaded from: never weights in other formats.
 *
 * @module
 */
import { partNames } from "../gguf/part_names.ts";
import { parseJsonObject } from "../json_file.ts";
import { readIndex, WEIGHTS, WEIGHTS_INDEX } from "../weights.ts";
import type { HubName } from "./name.ts";

/** What a model's folder must have beside its weights. */
const NEEDED = ["tokenizer.json", "tokenizer_config.json", "config.json"];

/** What changes how a model is used, where its folder has it; the last two are for other programs. */
const USED = [
  "generation_config.json",
  "chat_template.jinja",
  "special_tokens_map.json",
  "added_tokens.json",
];

/** A repository's files, on the hub or in the cache. */
export interface FileSource {
  has(path: string): Promise<boolean> | boolean;
  /** Text of a file that is there. */
  text(path: string): Promise<string>;
}

/** Files of a model. */
export interface ModelFiles {
  /** Those that are there; one without which no program takes a folder for a model comes last. */
  readonly files: readonly string[];
  /** Those that are not there, and should be. */
  readonly missing: readonly string[];
}

/** The files that a name stands for. */
export async function modelFiles(name: HubName, source: FileSource): Promise<ModelFiles> {
  const wanted = name.file === undefined
    ? [...await weightFiles(source), ...NEEDED]
    : partNames(name.file).toReversed();
  const files: string[] = [];
  const missing: string[] = [];
  for (const path of wanted) (await source.has(path) ? files : missing).push(path);
  const used: string[] = [];
  for (const path of name.file === undefined ? USED : []) {
    if (await source.has(path)) used.push(path);
  }
  return { files: [...used, ...files], missing };
}

async function weightFiles(source: FileSource): Promise<readonly string[]> {
  if (await source.has(WEIGHTS) || !await source.has(WEIGHTS_INDEX)) return [WEIGHTS];
  const index = parseJsonObject(await source.text(WEIGHTS_INDEX), WEIGHTS_INDEX);
  return [...new Set(readIndex(index, WEIGHTS_INDEX).values()), WEIGHTS_INDEX];
}
