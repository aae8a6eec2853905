/**
 * The tokenizer and chat template of a model folder: `tokenizer.json`, `tokenizer_config.json`, and
 * when present `chat_template.jinja`.
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import type { TokenizerFiles } from "./checkpoint.ts";
import {
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  readText,
  readTextIfPresent,
} from "./json_file.ts";
import { fileIn } from "./model_file.ts";

/**
 * Reads the tokenizer of a folder.
 *
 * @throws {UserError} when a file is missing, or is no JSON object
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const [definitionPath, settingsPath] = [
    fileIn(folder, "tokenizer.json"),
    fileIn(folder, "tokenizer_config.json"),
  ];
  const definition = await readText(definitionPath);
  const settings = await readText(settingsPath);
  const template = await readTextIfPresent(fileIn(folder, "chat_template.jinja"));
  return {
    path: definitionPath,
    definition: parseTokenizer(definition, definitionPath),
    settings: parseJsonObject(settings, settingsPath),
    template,
    hashed: [definition, settings, template],
  };
}

/** Without the search for duplicate keys: the vocabulary of a large model makes it slow. */
function parseTokenizer(text: string, path: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is not valid JSON: ${(error as Error).message}`);
  }
  if (!isJsonObject(value)) throw new UserError(`${path} must hold a JSON object`);
  return value;
}
