/**
 * Full precision: a family that quantizes nothing. What a plan names where a cache stays as it is,
 * so that the replay has one way for all of them. No policy can ask for it by name; only the
 * built-in `reference` has it, and a search beside the tensor that it measures.
 *
 * @module
 */
import type { Family, KvKind, Settings, Store } from "../../family.ts";
import type { KvShape, TokenRange } from "../../tensor.ts";

/** Bits of an entry that is kept exact, whatever the engine computes in. */
export const EXACT_BITS = 16;

/** Settings that leave one layer and kind exact. */
export function exactSettings(layer: number, kind: KvKind, heads: number): Settings {
  return {
    family: exact.name,
    layer,
    kind,
    bits: new Array<number>(heads).fill(EXACT_BITS),
    paramDtype: "f16",
  };
}

const NOTHING: TokenRange = { from: 0, to: 0 };

/** A store that holds nothing: every token is exact. */
class ExactStore<T extends KvShape> implements Store<T> {
  readonly quantized = NOTHING;
  rewrites(): boolean {
    return false;
  }
  grow(): void {}
  restore(): void {}
  settle(): Promise<void> {
    return Promise.resolve();
  }
  buffers(): readonly [] {
    return [];
  }
  contents(): Promise<readonly []> {
    return Promise.resolve([]);
  }
  free(): void {}
}

/** The family `exact`. */
export const exact: Family = {
  name: "exact",
  source: "full precision",
  widths: [EXACT_BITS],
  resolve: ({ layer, kind }, { heads }) => exactSettings(layer, kind, heads),
  needs: () => ({}),
  quantizedRange: () => NOTHING,
  openCpu: () => new ExactStore(),
  openGpu: () => new ExactStore(),
};
