/**
 * Output heads that a configuration calls tied and a checkpoint nevertheless holds.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";
import type { ModelConfig } from "./config.ts";

/**
 * The configuration of a checkpoint whose output head, where it has one, counts: a head that differs
 * from the embedding is not tied to it, whatever `tie_word_embeddings` says (huggingface/transformers,
 * modeling_utils.py, `tie_weights`).
 */
export async function withStoredHead(
  config: ModelConfig,
  { tensors }: Pick<Checkpoint, "tensors">,
): Promise<ModelConfig> {
  const { names } = config.parts;
  const head = tensors.get(`${names.head}.weight`);
  const embedding = tensors.get(`${names.embedding}.weight`);
  if (!config.tiedEmbeddings || head === undefined || embedding === undefined) return config;
  return await areEqual(head, embedding) ? config : { ...config, tiedEmbeddings: false };
}

/** Whether both are stored as the same bytes; of another format, a head counts as its own. */
async function areEqual(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  return a.dtype === b.dtype && a.shape.join() === b.shape.join() &&
    await digestOf(a) === await digestOf(b);
}

async function digestOf(tensor: StoredTensor): Promise<string> {
  const hash = createHash("sha256");
  for await (const block of tensor.blocks()) hash.update(block);
  return hash.digest("hex");
}
