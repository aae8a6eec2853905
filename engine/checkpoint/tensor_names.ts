/**
 * Names and shapes of the tensors of a checkpoint.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";

/** Every tensor of the model, by name. Matrices are `[out, in]`. */
export function tensorShapes(config: ModelConfig): ReadonlyMap<string, readonly number[]> {
  const { intermediate, parts, shape: { hidden, vocab, headDim, queryHeads, kvHeads } } = config;
  const { names, attentionBias, outputBias, mlpBias } = parts;
  const queryWidth = queryHeads * headDim;
  const kvWidth = kvHeads * headDim;
  const shapes = new Map<string, readonly number[]>();
  const add = (module: string, dims: readonly number[], bias = false) => {
    shapes.set(`${module}.weight`, dims);
    if (bias) shapes.set(`${module}.bias`, [dims[0]!]);
  };
  add(names.embedding, [vocab, hidden]);
  add(names.finalNorm, [hidden]);
  if (!config.tiedEmbeddings) add(names.head, [vocab, hidden]);
  for (let l = 0; l < config.shape.layers; l++) {
    const at = `${names.layers}.${l}`;
    add(`${at}.${names.attentionNorm}`, [hidden]);
    add(`${at}.${names.query}`, [queryWidth, hidden], attentionBias);
    add(`${at}.${names.key}`, [kvWidth, hidden], attentionBias);
    add(`${at}.${names.value}`, [kvWidth, hidden], attentionBias);
    add(`${at}.${names.output}`, [hidden, queryWidth], outputBias);
    add(`${at}.${names.mlpNorm}`, [hidden]);
    add(`${at}.${names.gate}`, [intermediate, hidden], mlpBias);
    add(`${at}.${names.up}`, [intermediate, hidden], mlpBias);
    add(`${at}.${names.down}`, [hidden, intermediate], mlpBias);
    if (!parts.headNorms) continue;
    add(`${at}.${names.queryNorm}`, [headDim]);
    add(`${at}.${names.keyNorm}`, [headDim]);
  }
  return shapes;
}

/** Tensors that some checkpoints hold and the model does without: copies and tables. */
export function isRedundantTensor(name: string, config: ModelConfig): boolean {
  return (config.tiedEmbeddings && name === `${config.parts.names.head}.weight`) ||
    name.endsWith(".rotary_emb.inv_freq");
}
