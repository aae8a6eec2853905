/** Running tokens through an engine the plain way: causally, in chunks, keeping everything. */
import { type Engine, MASKED } from "../../../engine/engine.ts";
import type { KvShape } from "../../../quant/tensor.ts";

/** What a layer computed for all tokens, `[heads, tokens, headDim]`. */
export interface LayerRecord {
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly preRopeKey: Float32Array;
  readonly query: Float32Array;
}

/** Runs `ids` from position 0 on and returns the logits of the last `rows` tokens of the last chunk. */
export async function runCausally(
  engine: Engine,
  ids: readonly number[],
  chunk: number,
  rows: number,
): Promise<{ logits: Float32Array; layers: LayerRecord[] }> {
  const { backend, shape } = engine;
  const tensor = (heads: number, capacity: number) =>
    backend.alloc({ heads, capacity, headDim: shape.headDim });
  const records = Array.from({ length: shape.layers }, () => ({
    key: tensor(shape.kvHeads, ids.length),
    value: tensor(shape.kvHeads, ids.length),
    preRopeKey: tensor(shape.kvHeads, ids.length),
    query: tensor(shape.queryHeads, ids.length),
  }));
  let logits = new Float32Array();
  for (let at = 0; at < ids.length; at += chunk) {
    const fed = ids.slice(at, at + chunk);
    const entries = Math.max(1, at);
    const prefix = (whole: KvShape) => {
      const past = tensor(shape.kvHeads, entries);
      backend.copy(whole, 0, at, past, 0);
      return past;
    };
    const past = records.map(({ key, value }) => ({ key: prefix(key), value: prefix(value) }));
    const out = await engine.forward({
      ids: fed,
      positions: fed.map((_, i) => at + i),
      past,
      mask: causalMask(fed.length, entries, at > 0),
      maskLayers: 1,
      logits: Math.min(rows, fed.length),
      outputs: "all",
    });
    logits = out.logits;
    for (const [l, layer] of out.layers.entries()) {
      for (const name of ["key", "value", "preRopeKey", "query"] as const) {
        backend.copy(layer[name]!, 0, fed.length, records[l]![name], at);
        backend.free(layer[name]!);
      }
    }
    for (const { key, value } of past) {
      backend.free(key);
      backend.free(value);
    }
  }
  const layers = await Promise.all(records.map(async (record) => ({
    key: await taken(engine, record.key),
    value: await taken(engine, record.value),
    preRopeKey: await taken(engine, record.preRopeKey),
    query: await taken(engine, record.query),
  })));
  return { logits, layers };
}

/** `[1, fed, entries + fed]`: what is in the past, and the fed tokens up to oneself. */
export function causalMask(
  fed: number,
  entries: number,
  seesPast: boolean,
): Float32Array<ArrayBuffer> {
  const columns = entries + fed;
  const mask = new Float32Array(fed * columns);
  for (let row = 0; row < fed; row++) {
    if (!seesPast) mask.fill(MASKED, row * columns, row * columns + entries);
    mask.fill(MASKED, row * columns + entries + row + 1, (row + 1) * columns);
  }
  return mask;
}

async function taken(engine: Engine, tensor: KvShape): Promise<Float32Array> {
  const data = await engine.backend.read(tensor);
  engine.backend.free(tensor);
  return data;
}
