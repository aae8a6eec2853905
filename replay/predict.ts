/**
 * The steps of a pass go through the model together: their tokens are predicted again from the
 * restored cache.
 *
 * @module
 */
import { KV_KINDS } from "../quant/family.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { Engine } from "../engine/engine.ts";
import type { QuantizedCache } from "./quantize.ts";
import type { Reference } from "./reference.ts";
import { type PassStep, restore } from "./restore.ts";
import { TokenSquares } from "./token_squares.ts";

/** What a pass gives. */
export interface PassOutcome {
  /** Replayed logits, `[steps of the pass, vocab]`. */
  readonly logits: Float32Array;
  /** Per layer and kind, what restoring changed. */
  readonly squares: readonly TokenSquares[];
  /** Wall time of restoring and of the model, in seconds. */
  readonly seconds: number;
}

/**
 * Restores a pass and runs its tokens.
 *
 * @param ids the token that each step of the pass feeds
 * @throws {QuantizerError} when what a store restored is not finite
 */
export async function predict<T extends KvShape>(
  engine: Engine<T>,
  reference: Reference<T>,
  cache: QuantizedCache<T>,
  pass: readonly PassStep[],
  ids: readonly number[],
): Promise<PassOutcome> {
  const { backend } = engine;
  const start = performance.now();
  const { past, mask, maskLayers } = backend.together(() =>
    restore(backend, reference.layers, cache, pass)
  );
  try {
    const { logits } = await engine.forward({
      ids,
      positions: pass.map(({ tokens }) => tokens),
      past,
      mask,
      maskLayers,
      logits: pass.length,
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
    const sums = squares.value.map((s) => new TokenSquares(s));
    for (const [i, { notRestored: token }] of sums.entries()) {
      if (token === undefined) continue;
      const kind = KV_KINDS[i % KV_KINDS.length]!;
      throw new QuantizerError(
        `Layer ${
          Math.floor(i / KV_KINDS.length)
        } ${kind}s: what was restored of token ${token} is ` +
          `not finite, or too far from the real ${kind}s for float32`,
      );
    }
    return { logits, squares: sums, seconds };
  } finally {
    for (const { key, value } of past) {
      backend.free(key);
      backend.free(value);
    }
  }
}
