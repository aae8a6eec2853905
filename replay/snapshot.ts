/**
 * Step 1 of a replayed step: the snapshot, the first `n - 1 + s` tokens of the reference cache.
 *
 * @module
 */
import type { KvKind, Needs, Source } from "../quant/family.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { RotaryTables } from "../engine/rotary.ts";
import { prefilled, type Reference } from "./reference.ts";

/** The cache as it was when a step began. */
export interface Snapshot {
  readonly step: number;
  /** Tokens in the cache; the token being fed is not part of it. */
  readonly tokens: number;
}

/** The snapshot of step `step`. */
export function snapshot(reference: Pick<Reference<KvShape>, "prompt">, step: number): Snapshot {
  return { step, tokens: prefilled(reference) + step };
}

/** The real tensors of every layer and kind of a reference, as quantizer families read them. */
export class Sources<T extends KvShape> {
  readonly #byKind: Readonly<Record<KvKind, readonly Source<T>[]>>;

  /**
   * @param needs what the families in use read beside keys and values
   * @param rope rotary tables, needed when `needs.preRope`
   */
  constructor(reference: Reference<T>, needs: Needs, rope?: RotaryTables<T>) {
    const { preRopeKeys, queries } = reference;
    const shared = new Map<string, unknown>();
    const build = (kind: KvKind): Source<T>[] => {
      const siblings: Source<T>[] = [];
      for (const [layer, kv] of reference.layers.entries()) {
        siblings.push({
          layer,
          kind,
          tensor: kv[kind],
          promptTokens: prefilled(reference),
          siblings,
          shared,
          ...(needs.preRope && kind === "key" && preRopeKeys !== undefined && rope !== undefined
            ? { preRope: preRopeKeys[layer]!, rope }
            : {}),
          ...(needs.queries && queries !== undefined
            ? { queries: queries[layer]!, keys: kv.key }
            : {}),
        });
      }
      return siblings;
    };
    this.#byKind = { key: build("key"), value: build("value") };
  }

  /** The source of one layer and kind. */
  of(layer: number, kind: KvKind): Source<T> {
    return this.#byKind[kind][layer]!;
  }
}
