/**
 * What the stores of one cache restore for each other under `aquakv`: a layer's keys are predicted from
 * the keys before, its values from its own keys and the values before, all as they are restored.
 *
 * Every store keeps what it restored, keys before RoPE, because the next layer's store needs it: each
 * token is restored once, as the official cache does with `save_dequantized_values`.
 *
 * @module
 */
import type { KvKind } from "../../family.ts";
import { kindsNotAlikeError, notAlikeError } from "../../stores/coupled/layer_pack.ts";
import type { AquakvSettings } from "./aquakv_settings.ts";

/** The store of one layer and kind, with rows `[tokens][channels]` in memory of its own sort. */
export interface ChainLink<Rows> {
  readonly settings: AquakvSettings;
  /** Rows of the first quantized tokens, at least so many. */
  restored(tokens: number): Rows;
}

const KEY = "aquakv chain";

/** See the module. */
export class RestoredChain<Rows> {
  readonly #links = new Map<string, ChainLink<Rows>>();

  /**
   * The chain of a cache, which the first store opens and all of them share.
   *
   * @param shared `Source.shared`
   */
  static join<Rows>(shared: Map<string, unknown>, link: ChainLink<Rows>): RestoredChain<Rows> {
    let chain = shared.get(KEY) as RestoredChain<Rows> | undefined;
    if (chain === undefined) shared.set(KEY, chain = new RestoredChain());
    chain.#links.set(nameOf(link.settings), link);
    return chain;
  }

  /** Forgets a store that is going away. */
  leave(link: ChainLink<Rows>): void {
    const name = nameOf(link.settings);
    if (this.#links.get(name) === link) this.#links.delete(name);
  }

  /** What tokens of a layer and kind are predicted from; nothing in the first layer. */
  inputs(settings: AquakvSettings, tokens: number): readonly Rows[] {
    const { layer, kind } = settings;
    if (layer === 0) return [];
    const before = this.#link(settings, layer - 1, kind).restored(tokens);
    return kind === "key"
      ? [before]
      : [this.#link(settings, layer, "key").restored(tokens), before];
  }

  #link(asking: AquakvSettings, layer: number, kind: KvKind): ChainLink<Rows> {
    const link = this.#links.get(nameOf({ layer, kind }));
    if (link !== undefined) return link;
    throw kind === asking.kind ? notAlikeError(asking, layer) : kindsNotAlikeError(asking);
  }
}

function nameOf({ layer, kind }: Pick<AquakvSettings, "layer" | "kind">): string {
  return `${kind} ${layer}`;
}
