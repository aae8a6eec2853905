/**
 * A known text in full precision: its cache, and what is predicted at the steps that are scored, each
 * from the cache of the tokens before the one that is fed.
 *
 * @module
 */
import { allocLayers, feed, freeLayers } from "../engine/prefill.ts";
import type { Engine, LayerKv } from "../engine/engine.ts";
import { KV_KINDS } from "../quant/family.ts";
import type { KvShape } from "../quant/tensor.ts";
import { argmax, type Reference } from "./reference.ts";
import { type PassStep, restore } from "./restore.ts";

/** Which tokens of a text are scored. */
export interface TextSpan {
  /** Token ids, of which the last is only predicted. */
  readonly ids: readonly number[];
  /** Position of the first token that is fed at a step, at least 1. */
  readonly from: number;
  /** Every so many steps one is scored. */
  readonly every: number;
}

/** Rows of logits that are made at once. */
const ROWS = 64;

/**
 * Runs a text in full precision.
 *
 * @returns a reference whose steps feed the text; `tokens` and `logits` are those of the scored steps
 */
export async function runText<T extends KvShape>(
  engine: Engine<T>,
  { ids, from, every }: TextSpan,
): Promise<Reference<T>> {
  const layers = allocLayers(engine, ids.length - 1);
  try {
    return await scoredText(engine, { ids, from, every }, layers);
  } catch (error) {
    freeLayers(engine, layers);
    throw error;
  }
}

async function scoredText<T extends KvShape>(
  engine: Engine<T>,
  { ids, from, every }: TextSpan,
  layers: readonly LayerKv<T>[],
): Promise<Reference<T>> {
  const known = ids.slice(0, -1);
  const start = performance.now();
  await feed(engine, known, layers);
  const prefillMs = performance.now() - start;
  const scored = Array.from(
    { length: Math.ceil((known.length - from) / every) },
    (_, i) => from + i * every,
  );
  const { vocab } = engine.shape;
  const logits = new Float32Array(scored.length * vocab);
  for (let row = 0; row < scored.length; row += ROWS) {
    const rows = scored.slice(row, row + ROWS);
    logits.set(await exactLogits(engine, known, layers, rows), row * vocab);
  }
  return {
    prompt: ids.slice(0, from + 1),
    tokens: scored.map((_, i) => argmax(logits, i * vocab, vocab)),
    logits,
    layers,
    prefillMs,
    text: { ids, every },
  };
}

/** Logits after the tokens at `positions`, each of which sees the real cache of those before it. */
async function exactLogits<T extends KvShape>(
  engine: Engine<T>,
  known: readonly number[],
  layers: readonly LayerKv<T>[],
  positions: readonly number[],
): Promise<Float32Array> {
  const nothing = { from: 0, to: 0 };
  const ranges = new Array(layers.length * KV_KINDS.length).fill(nothing);
  const steps = positions.map((tokens, step): PassStep => ({ step, tokens, ranges }));
  const { past, mask, maskLayers } = restore(engine, layers, { restore() {} }, steps);
  try {
    const { logits } = await engine.forward({
      ids: positions.map((at) => known[at]!),
      positions,
      past,
      mask,
      maskLayers,
      logits: positions.length,
    });
    return logits;
  } finally {
    freeLayers(engine, past);
  }
}
