/**
 * Loading a model from a Hugging Face folder: `config.json`, `tokenizer.json`,
 * `tokenizer_config.json`, the weights, and when present `generation_config.json` and
 * `chat_template.jinja`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { ModelShape } from "../engine.ts";
import { openChatTemplate, type RenderChat, tokenText } from "./chat_template.ts";
import { type ModelConfig, readConfig, readEosIds } from "./config.ts";
import { UserError } from "../../errors.ts";
import {
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  readText,
  readTextIfPresent,
} from "./json_file.ts";
import { fileIn, isUrl } from "./model_file.ts";
import { isRedundantTensor, tensorShapes } from "./tensor_names.ts";
import { openTokenizer, type TextTokenizer } from "./tokenizer.ts";
import { readWeights, type Weight } from "./weights.ts";

/** A loaded model: everything an engine and a prompt need. */
export interface Model {
  /** Folder it was read from, or its URL. */
  readonly folder: string;
  /** Architecture sizes. */
  readonly shape: ModelShape;
  /** All that the graph is built from. */
  readonly config: ModelConfig;
  /** Every tensor in float32, by its name in the checkpoint; matrices are `[out, in]`. */
  readonly weights: ReadonlyMap<string, Weight>;
  /** Text to token ids and back. */
  readonly tokenizer: TextTokenizer;
  /** The chat template. */
  readonly renderChat: RenderChat;
  /** Ids that end an answer, at least one. */
  readonly eosIds: readonly number[];
  /** SHA-256 over config, tokenizer, chat template and weights, in hexadecimal. */
  readonly hash: string;
}

/**
 * Loads a model folder.
 *
 * @param folder a path, or the URL of a folder on a server
 * @throws {UserError} one sentence naming the file and what was expected
 */
export async function loadModelFolder(folder: string): Promise<Model> {
  await checkFolder(folder);
  const at = (name: string) => fileIn(folder, name);
  const configText = await readText(at("config.json"));
  const configJson = parseJsonObject(configText, at("config.json"));
  const config = readConfig(configJson, at("config.json"));
  const tokenizerText = await readText(at("tokenizer.json"));
  const settingsText = await readText(at("tokenizer_config.json"));
  const settings = parseJsonObject(settingsText, at("tokenizer_config.json"));
  const templateFile = await readTextIfPresent(at("chat_template.jinja"));
  const generationText = await readTextIfPresent(at("generation_config.json"));

  const tokenizer = openTokenizer(
    parseTokenizer(tokenizerText, at("tokenizer.json")),
    settings,
    at("tokenizer.json"),
  );
  const renderChat = openChatTemplate(templateFile, settings, folder);
  const generation = generationText === undefined
    ? {}
    : parseJsonObject(generationText, at("generation_config.json"));
  const eosIds = readEosIds(generation, at("generation_config.json")) ??
    endTokens(config, tokenizer, settings, folder);

  const hash = createHash("sha256");
  for (const text of [configText, tokenizerText, settingsText, templateFile, generationText]) {
    hash.update(`${text?.length ?? "absent"}\n${text ?? ""}`);
  }
  const weights = await readWeights(
    folder,
    tensorShapes(config),
    (name) => isRedundantTensor(name, config),
    hash,
  );
  return {
    folder,
    shape: config.shape,
    config,
    weights,
    tokenizer,
    renderChat,
    eosIds,
    hash: hash.digest("hex"),
  };
}

async function checkFolder(folder: string): Promise<void> {
  if (isUrl(folder)) return;
  try {
    if ((await Deno.stat(folder)).isDirectory) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new UserError(`${folder} cannot be read: ${(error as Error).message}`);
    }
    throw new UserError(`The model folder ${folder} does not exist`);
  }
  throw new UserError(`${folder} is a file; a model is a folder with config.json and weights`);
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

function endTokens(
  config: ModelConfig,
  tokenizer: TextTokenizer,
  settings: JsonObject,
  folder: string,
): readonly number[] {
  if (config.eosIds.length > 0) return config.eosIds;
  const token = tokenText(settings.eos_token);
  const id = token === undefined ? undefined : tokenizer.id(token);
  if (id !== undefined) return [id];
  throw new UserError(
    `${folder} names no end token: no eos_token_id in generation_config.json or config.json, no eos_token in tokenizer_config.json`,
  );
}
