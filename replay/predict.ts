/**
 * The steps of a pass go through the model together: their tokens are predicted again from the
 * restored cache.
 *
 * @module
 */
import { KV_KINDS } from "../quant/family.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { ComparedRow, Engine, ForwardInput, LayerOutput } from "../engine/engine.ts";
import type { QuantizedCache } from "./quantize.ts";
import type { Reference } from "./reference.ts";
import { type PassStep, restore } from "./restore.ts";
import { TokenSquares } from "./token_squares.ts";

/** What a pass gives. */
export interface PassOutcome<T extends KvShape> {
  /** Replayed logits, `[steps of the pass, vocab]`; empty where they were compared. */
  readonly logits: Float32Array;
  /** How they compare with the reference's, where the engine said. */
  readonly compared?: readonly ComparedRow[];
  /** Per layer and kind, what restoring changed. */
  readonly squares: readonly TokenSquares[];
  /** Wall time of restoring and of the model, in seconds. */
  readonly seconds: number;
  /** Per layer, tensors of the tokens that were fed, where they were asked for. The caller frees them. */
  readonly layers: readonly LayerOutput<T>[];
}

/**
 * Restores a pass and runs its tokens.
 *
 * @param ids the token that each step of the pass feeds
 * @param outputs which of their tensors to return
 * @param against what the engine may compare the logits with
 * @throws {QuantizerError} when what a store restored is not finite
 */
export async function predict<T extends KvShape>(
  engine: Engine<T>,
  reference: Reference<T>,
  cache: QuantizedCache<T>,
  pass: readonly PassStep[],
  ids: readonly number[],
  { outputs = "none", against }: Pick<ForwardInput<T>, "outputs" | "against"> = {},
): Promise<PassOutcome<T>> {
  const { backend } = engine;
  const start = performance.now();
  cache.prepare();
  const { past, mask, maskLayers } = backend.together(() =>
    restore(engine, reference.layers, cache, pass)
  );
  try {
    const { logits, compared, layers } = await engine.forward({
      ids,
      positions: pass.map(({ tokens }) => tokens),
      past,
      mask,
      maskLayers,
      logits: pass.length,
      outputs,
      ...(against === undefined ? {} : { against }),
    });
    // Logits came last: the device has quantized, restored and predicted.
    const seconds = (performance.now() - start) / 1000;

    const tokens = pass.at(-1)!.tokens;
    const measured = backend.tokenSquares(
      reference.layers.flatMap(({ key, value }, layer) => [
        { real: key, restored: past[layer]!.key, tokens },
        { real: value, restored: past[layer]!.value, tokens },
      ]),
    );
    // Both at once, in one round trip; what stores report of their input comes first.
    const [settled, squares] = await Promise.allSettled([cache.settle(), measured]);
    if (settled.status === "rejected") throw settled.reason;
    if (squares.status === "rejected") throw squares.reason;
    const sums = squares.value.map((s) => new TokenSquares(s, engine.shape.kvHeads));
    for (const [i, { notRestored: token }] of sums.entries()) {
      if (token === undefined) continue;
      for (const tensor of layers.flatMap((layer) => Object.values(layer))) backend.free(tensor);
      const kind = KV_KINDS[i % KV_KINDS.length]!;
      throw new QuantizerError(
        `Layer ${
          Math.floor(i / KV_KINDS.length)
        } ${kind}s: what was restored of token ${token} is ` +
          `not finite, or too far from the real ${kind}s for float32`,
      );
    }
    return {
      logits,
      squares: sums,
      seconds,
      layers,
      ...(compared === undefined ? {} : { compared }),
    };
  } finally {
    for (const { key, value } of past) {
      backend.free(key);
      backend.free(value);
    }
  }
}
