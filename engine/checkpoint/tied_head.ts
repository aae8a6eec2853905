/**
 * Output heads that a configuration calls tied and a checkpoint nevertheless holds.
 *
 * @module
 */
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

async function areEqual(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a.shape.join() !== b.shape.join()) return false;
  const [left, right] = [await a.bytes(), await b.bytes()];
  if (a.dtype === b.dtype) return left.every((byte, i) => byte === right[i]);
  const others = b.values(right);
  return a.values(left).every((value, i) => value === others[i]);
}
