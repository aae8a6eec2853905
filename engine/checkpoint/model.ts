/**
 * A model: what a checkpoint of any format becomes.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { UserError } from "../../errors.ts";
import type { ModelShape } from "../engine.ts";
import { openChatTemplate, plainTexts, type RenderChat, tokenText } from "./chat_template.ts";
import type { Checkpoint, HashedPart, StoredTensor, TokenizerFiles } from "./checkpoint.ts";
import { type ModelConfig, readConfig } from "./config.ts";
import { hashTensors, neededTensors } from "./needed_tensors.ts";
import { type ModelSize, modelSize } from "./model_size.ts";
import { openCheckpoint } from "./open.ts";
import { isRedundantTensor, tensorShapes } from "./tensor_names.ts";
import { withStoredHead } from "./tied_head.ts";
import { checkTokenIds } from "./token_ids.ts";
import { openTokenizer, type TextTokenizer } from "./tokenizer.ts";
import { readTokenizerFiles } from "./tokenizer_files.ts";

/** A model: everything an engine and a prompt need. */
export interface Model {
  /** Folder or file that it was read from. */
  readonly path: string;
  /** Architecture sizes. */
  readonly shape: ModelShape;
  /** All that the graph is built from. */
  readonly config: ModelConfig;
  /** Every tensor by its name in the checkpoint, still where it is kept; matrices are `[out, in]`. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Text to token ids and back. */
  readonly tokenizer: TextTokenizer;
  /** The chat template; of a model without one, the texts as they are. */
  readonly renderChat: RenderChat;
  /** Whether there is a chat template: base models have none. */
  readonly chatTemplate: boolean;
  /** Ids that end an answer, at least one. */
  readonly eosIds: readonly number[];
  /** SHA-256 over config, tokenizer, chat template and weights, in hexadecimal. */
  readonly hash: string;
}

/** What may replace parts of a checkpoint. */
export interface LoadOptions {
  /** Folder whose `tokenizer.json` and chat template are used instead of the checkpoint's own. */
  readonly tokenizer?: string;
  /** Is told how large the model is before any weight is read; what it throws ends the loading. */
  readonly announce?: (size: ModelSize) => void | Promise<void>;
}

/** What is known of a model before its weights and its tokenizer are read. */
export interface ModelOutline {
  readonly size: ModelSize;
  readonly shape: ModelShape;
}

/**
 * Sizes of a model, told from its configuration and the headers of its files.
 *
 * @param path as for `loadModel`
 * @throws {UserError} one sentence naming the file and what was expected
 */
export async function outlineModel(path: string): Promise<ModelOutline> {
  const checkpoint = await openCheckpoint(path);
  const config = await configOf(checkpoint);
  return { size: modelSize(tensorsOf(checkpoint, config), config), shape: config.shape };
}

async function configOf(checkpoint: Checkpoint): Promise<ModelConfig> {
  const { json, path } = checkpoint.config;
  return await withStoredHead(readConfig(json, path), checkpoint);
}

/** The tensors that the graph needs, none of them read. */
function tensorsOf(
  checkpoint: Checkpoint,
  config: ModelConfig,
): ReadonlyMap<string, StoredTensor> {
  return neededTensors(
    checkpoint,
    tensorShapes(config),
    (name) => isRedundantTensor(name, config),
  );
}

/**
 * Loads a model.
 *
 * @param path of a Hugging Face folder, of a GGUF file or one of its parts, or of a folder that holds one
 * @throws {UserError} one sentence naming the file and what was expected
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const checkpoint = await openCheckpoint(path);
  const config = await configOf(checkpoint);
  const files = options.tokenizer === undefined
    ? await checkpoint.tokenizer()
    : await readTokenizerFiles(options.tokenizer);
  const tokenizer = openTokenizer(files.definition, files.settings, files.path);
  checkTokenIds(files.definition, config.shape.vocab, files.path);
  const template = files.template ??
    (files.settings.chat_template === undefined ? checkpoint.template : undefined);
  const chat = openChatTemplate(template, files.settings, options.tokenizer ?? path);
  const eosIds = endTokens(checkpoint, config, files, tokenizer);
  const tensors = tensorsOf(checkpoint, config);
  await options.announce?.(modelSize(tensors, config));
  const hash = createHash("sha256");
  for (const part of [...checkpoint.hashed, ...files.hashed]) takeIn(hash, part);
  await hashTensors(tensors, hash);
  return {
    path,
    shape: config.shape,
    config,
    tensors,
    tokenizer,
    renderChat: chat ?? plainTexts(tokenizer.opening),
    chatTemplate: chat !== undefined,
    eosIds,
    hash: hash.digest("hex"),
  };
}

/** A part after its length, so that no two lists of parts look alike. */
function takeIn(hash: Hash, part: HashedPart): void {
  hash.update(`${part?.length ?? "absent"}\n`).update(part ?? "");
}

function endTokens(
  { path, eosIds }: Checkpoint,
  config: ModelConfig,
  { settings }: TokenizerFiles,
  tokenizer: TextTokenizer,
): readonly number[] {
  const named = [eosIds, config.eosIds].find((ids) => ids.length > 0);
  if (named !== undefined) return named;
  const token = tokenText(settings.eos_token);
  const id = token === undefined ? undefined : tokenizer.id(token);
  if (id !== undefined) return [id];
  throw new UserError(
    `${path} names no end token: no eos_token_id in generation_config.json or config.json, no eos_token in tokenizer_config.json, and no tokenizer.ggml.eos_token_id in a GGUF file`,
  );
}
