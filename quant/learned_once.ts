/**
 * @module
 */
import type { KeptSamples } from "./calibration.ts";

/** What is learned of samples once, by key, though settings, stores and policies ask for it again. */
export class LearnedOnce<V> {
  readonly #known = new WeakMap<KeptSamples, Map<string, V>>();

  /** What was learned of samples under a key; it is learned now where nobody has asked yet. */
  get(samples: KeptSamples, key: string, learn: () => V): V {
    let ofSamples = this.#known.get(samples);
    if (ofSamples === undefined) this.#known.set(samples, ofSamples = new Map());
    let learned = ofSamples.get(key);
    if (learned === undefined) ofSamples.set(key, learned = learn());
    return learned;
  }
}
