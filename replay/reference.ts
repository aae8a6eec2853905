/**
 * The reference of one example: prefill in full precision, then greedy decoding from the cache.
 * Every snapshot of the replay is cut from the cache that this leaves behind.
 *
 * @module
 */
import { KV_KINDS } from "../quant/family.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { Engine, LayerKv } from "../engine/engine.ts";
import {
  allocLayers,
  causalMask,
  feed,
  freeLayers,
  runKnownTokens,
  takeOver,
} from "../engine/prefill.ts";
import type { RotaryTables } from "../engine/rotary.ts";
import { turnBack } from "../quant/stores/rope/rope_restore.ts";
import { TokenSquares } from "./token_squares.ts";

/** The full-precision run of one example. */
export interface Reference<T extends KvShape> {
  /** Prompt token ids, `n` of them. */
  readonly prompt: readonly number[];
  /** Predicted tokens `y_0 .. y_(m-1)`, the end token included when there was one. */
  readonly tokens: readonly number[];
  /** Logits of every step, `[m, vocab]`. */
  readonly logits: Float32Array<ArrayBuffer>;
  /** Per layer, keys and values of the first `n - 1 + m` tokens. */
  readonly layers: readonly LayerKv<T>[];
  /** Wall time of the prefill in milliseconds. */
  readonly prefillMs: number;
  /** Absent where the tokens fed are the predictions. */
  readonly text?: KnownText;
  /** Per layer, keys before RoPE, `[kvHeads, tokens, headDim]`; `addPreRopeKeys` fills them in. */
  preRopeKeys?: readonly T[];
  /** Per layer, queries after RoPE, `[queryHeads, tokens, headDim]`; `addQueries` fills them in. */
  queries?: readonly T[];
}

/** A text whose own tokens are fed, whatever is predicted; some of its steps are scored. */
export interface KnownText {
  /** Ids of the text: those fed at the steps follow the prompt, and one more is predicted at the end. */
  readonly ids: readonly number[];
  /** Every so many steps one is scored, the first one included; `tokens` and `logits` are of these. */
  readonly every: number;
}

/** Which of the scored steps a step is; undefined for one that is not scored. */
export function scoredIndex(
  { text }: Pick<Reference<KvShape>, "text">,
  step: number,
): number | undefined {
  const every = text?.every ?? 1;
  return step % every === 0 ? step / every : undefined;
}

/** Index of the largest of `row[from .. from + count)`; the first wins a tie. */
export function argmax(row: Float32Array, from = 0, count = row.length - from): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (row[from + i]! > row[from + best]!) best = i;
  return best;
}

/** Ids fed at the steps of a reference: the last prompt token, then the predictions or the text. */
export function fedIds(
  reference: Pick<Reference<KvShape>, "prompt" | "tokens" | "text">,
): number[] {
  const { text } = reference;
  if (text !== undefined) return text.ids.slice(prefilled(reference), -1);
  return [reference.prompt.at(-1)!, ...reference.tokens.slice(0, -1)];
}

/** How many tokens were prefilled: all of the prompt but its last. */
export function prefilled(reference: Pick<Reference<KvShape>, "prompt">): number {
  return reference.prompt.length - 1;
}

/**
 * Runs an example in full precision.
 *
 * @param prompt token ids, at least one
 * @param maxNewTokens steps at most
 * @param eosIds ids that end the answer
 * @param ended whether the tokens so far hold what ends it otherwise
 */
export async function runReference<T extends KvShape>(
  engine: Engine<T>,
  prompt: readonly number[],
  maxNewTokens: number,
  eosIds: readonly number[],
  ended: (tokens: readonly number[]) => boolean = () => false,
): Promise<Reference<T>> {
  const known = prompt.length - 1;
  const layers = allocLayers(engine, known + maxNewTokens);
  try {
    const start = performance.now();
    await feed(engine, prompt.slice(0, known), layers);
    const prefillMs = performance.now() - start;
    const isEnd = (tokens: readonly number[]) => eosIds.includes(tokens.at(-1)!) || ended(tokens);
    const answer = await decode(engine, layers, prompt, maxNewTokens, isEnd);
    const capacity = known + answer.tokens.length;
    return { prompt, ...answer, layers: trimmed(engine, layers, capacity), prefillMs };
  } catch (error) {
    freeLayers(engine, layers);
    throw error;
  }
}

/** Decodes greedily behind a prompt of which all but the last token is in `layers`. */
async function decode<T extends KvShape>(
  engine: Engine<T>,
  layers: readonly LayerKv<T>[],
  prompt: readonly number[],
  maxNewTokens: number,
  isEnd: (tokens: readonly number[]) => boolean,
): Promise<Pick<Reference<T>, "tokens" | "logits">> {
  const known = prompt.length - 1;
  const { capacity } = layers[0]!.key;
  const tokens: number[] = [];
  const logits: Float32Array[] = [];
  let id = prompt[known]!;
  while (tokens.length < maxNewTokens) {
    const at = known + tokens.length;
    const into = { layers, at };
    const out = await engine.forward({
      ids: [id],
      positions: [at],
      past: layers,
      get mask() {
        return causalMask(1, at, capacity);
      },
      maskLayers: 1,
      causal: at,
      logits: 1,
      outputs: "kv",
      into,
    });
    takeOver(engine, out, into);
    id = argmax(out.logits);
    logits.push(out.logits);
    tokens.push(id);
    if (isEnd(tokens)) break;
  }
  const { vocab } = engine.shape;
  const all = new Float32Array(tokens.length * vocab);
  logits.forEach((row, i) => all.set(row, i * vocab));
  return { tokens, logits: all };
}

/**
 * Adds the keys before RoPE, for families that quantize those: the cached keys turned back. They are
 * the model's own but for rounding, about 1e-7 of a key.
 */
export function addPreRopeKeys<T extends KvShape>(
  { backend, gpu }: Pick<Engine<T>, "backend" | "gpu">,
  reference: Reference<T>,
  rope: RotaryTables<T>,
): readonly T[] {
  return reference.preRopeKeys ??= backend.together(() =>
    reference.layers.map(({ key }) => {
      const { heads, capacity, headDim } = key;
      const turned = backend.alloc({ heads, capacity, headDim });
      backend.copy(key, 0, capacity, turned, 0);
      turnBack(gpu, turned, { from: 0, to: capacity }, rope);
      return turned;
    })
  );
}

/** Adds the queries by running the known tokens once more. */
export async function addQueries<T extends KvShape>(
  engine: Engine<T>,
  reference: Reference<T>,
): Promise<readonly T[]> {
  if (reference.queries !== undefined) return reference.queries;
  const ids = [...reference.prompt.slice(0, -1), ...fedIds(reference)];
  const { layers, extras: { preRopeKeys, queries } } = await runKnownTokens(engine, ids);
  for (const tensor of [...layers.flatMap(({ key, value }) => [key, value]), ...preRopeKeys]) {
    engine.backend.free(tensor);
  }
  return reference.queries = queries;
}

/**
 * What of a reference is not finite, in a few words; undefined when nothing is. A replay of it could
 * say nothing about a policy.
 */
export async function notFiniteIn<T extends KvShape>(
  { backend, shape }: Pick<Engine<T>, "backend" | "shape">,
  { layers, logits }: Reference<T>,
): Promise<string | undefined> {
  const pairs = layers.flatMap(({ key, value }) =>
    [key, value].map((real) => ({ real, restored: real, tokens: real.capacity }))
  );
  for (const [i, squares] of (await backend.tokenSquares(pairs)).entries()) {
    const token = new TokenSquares(squares, shape.kvHeads).notReal;
    if (token === undefined) continue;
    const kind = KV_KINDS[i % KV_KINDS.length]!;
    return `layer ${Math.floor(i / KV_KINDS.length)} ${kind}s at token ${token}`;
  }
  const at = logits.findIndex((logit) => !Number.isFinite(logit));
  return at < 0 ? undefined : `logits of step ${Math.floor(at / shape.vocab)}`;
}

/** Frees the tensors of a reference. */
export function freeReference<T extends KvShape>(engine: Engine<T>, reference: Reference<T>): void {
  freeLayers(engine, reference.layers);
  for (const tensor of [...reference.preRopeKeys ?? [], ...reference.queries ?? []]) {
    engine.backend.free(tensor);
  }
}

function trimmed<T extends KvShape>(
  engine: Engine<T>,
  layers: readonly LayerKv<T>[],
  capacity: number,
): LayerKv<T>[] {
  const { backend } = engine;
  const trim = (tensor: T): T => {
    if (tensor.capacity === capacity) return tensor;
    const exact = backend.alloc({ heads: tensor.heads, capacity, headDim: tensor.headDim });
    backend.copy(tensor, 0, capacity, exact, 0);
    backend.free(tensor);
    return exact;
  };
  return backend.together(() =>
    layers.map(({ key, value }) => ({ key: trim(key), value: trim(value) }))
  );
}
