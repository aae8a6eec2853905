/**
 * A Hugging Face folder as a checkpoint: `config.json`, the tokenizer's files, the weights, and when
 * present `generation_config.json`.
 *
 * @module
 */
import type { Checkpoint } from "./checkpoint.ts";
import { readEosIds } from "./config.ts";
import { parseJsonObject, readText, readTextIfPresent } from "./json_file.ts";
import { fileIn } from "./model_file.ts";
import { readTokenizerFiles } from "./tokenizer_files.ts";
import { storedWeights } from "./weights.ts";

/**
 * Opens a model folder.
 *
 * @throws {UserError} one sentence naming the file and what was expected
 */
export async function openFolder(folder: string): Promise<Checkpoint> {
  const [configPath, generationPath] = [
    fileIn(folder, "config.json"),
    fileIn(folder, "generation_config.json"),
  ];
  const config = await readText(configPath);
  const json = parseJsonObject(config, configPath);
  const generation = await readTextIfPresent(generationPath);
  const eosIds = generation === undefined
    ? undefined
    : readEosIds(parseJsonObject(generation, generationPath), generationPath);
  const tensors = await storedWeights(folder);
  return {
    path: folder,
    config: { json, path: configPath, name: "config.json" },
    eosIds: eosIds ?? [],
    template: undefined,
    tensors,
    hashed: [config, generation],
    tokenizer: () => readTokenizerFiles(folder),
  };
}
