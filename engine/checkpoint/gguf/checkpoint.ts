/**
 * A GGUF model as a checkpoint.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { JsonObject } from "../json_file.ts";
import type { ModelFile } from "../model_file.ts";
import { readValues } from "../stored_blocks.ts";
import { configOf } from "./config.ts";
import { endTokens } from "./end_tokens.ts";
import { openGgufFiles } from "./files.ts";
import type { GgufTensor } from "./header.ts";
import { quoted } from "./quoted.ts";
import { storedTensor } from "./stored_tensor.ts";
import { EMBEDDING, huggingFaceName, ROPE_FACTORS } from "./tensor_names.ts";
import { tokenizerOf } from "./tokenizer.ts";

/** A tensor and the file that holds it. */
interface Place {
  readonly file: ModelFile;
  readonly tensor: GgufTensor;
}

/**
 * Opens a GGUF model. Its tensors are read from the file one at a time, when they are asked for.
 *
 * @param path of the file, or of any of its parts
 * @throws {UserError} one sentence with the path and what was expected
 */
export async function openGguf(path: string): Promise<Checkpoint> {
  const files = await openGgufFiles(path);
  const { metadata } = files[0]!.header;
  const places = new Map<string, Place>();
  for (const { file, header } of files) {
    for (const [name, tensor] of header.tensors) {
      const other = places.get(name);
      if (other !== undefined) {
        throw new UserError(
          `The tensor ${quoted(name)} is in both ${other.file.path} and ${file.path}`,
        );
      }
      places.set(name, { file, tensor });
    }
  }
  const embedding = places.get(EMBEDDING);
  if (embedding === undefined) throw new UserError(`${path} lacks the tensor "${EMBEDDING}"`);
  const factors = places.get(ROPE_FACTORS);
  const json = configOf(metadata, {
    has: (name) => places.has(name),
    count: places.size,
    vocab: embedding.tensor.shape[0]!,
    ropeFactors: factors &&
      [...await readValues(storedTensor(factors.file, factors.tensor))],
  });
  const heads = permutedHeads(json);
  const template = "tokenizer.chat_template";
  return {
    path,
    config: { json, path: `The metadata of ${path}`, name: "metadata" },
    eosIds: endTokens(metadata),
    tensors: new Map(
      [...places].filter(([name]) => name !== ROPE_FACTORS).map(([name, { file, tensor }]) => [
        huggingFaceName(name),
        storedTensor(file, tensor, heads(name)),
      ]),
    ),
    template: metadata.has(template) ? metadata.text(template) : undefined,
    hashed: files.map(({ header }) => header.bytes),
    tokenizer: () =>
      Promise.try(() => ({
        path,
        ...tokenizerOf(metadata),
        template: undefined,
        // The header is hashed, and they are in it.
        hashed: [],
      })),
  };
}

/** How many heads the rows of a tensor belong to, where the converter permutes them. */
function permutedHeads(config: JsonObject): (name: string) => number | undefined {
  const heads: Readonly<Record<string, unknown>> = config.model_type === "llama"
    ? { attn_q: config.num_attention_heads, attn_k: config.num_key_value_heads }
    : {};
  return (name) => heads[name.split(".")[2] ?? ""] as number | undefined;
}
