/**
 * What a quantizer was shown of a prompt, kept so that the same can be shown to another process.
 *
 * @module
 */

type Floats = Float32Array<ArrayBuffer>;

/** What was shown of a layer. */
export interface ShownLayer {
  readonly layer: number;
  readonly tokens: number;
  /** Queries, keys, values and scores. */
  readonly tensors: readonly [Floats, Floats, Floats, Floats];
}

/** The layers of a prompt, as long as they are not too large together. */
export class ShownPrompt<L extends { readonly tensors: readonly Floats[] } = ShownLayer> {
  readonly #layers: L[] = [];
  #bytes = 0;

  /** @param mostMib that are kept */
  constructor(private readonly mostMib: number) {}

  /** Keeps what is shown; the tensors must not change any more. */
  add(layer: L): void {
    this.#bytes += layer.tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
    if (this.#tooLarge) this.#layers.length = 0;
    else this.#layers.push(layer);
  }

  /** All layers; undefined where they were too large. */
  get layers(): readonly L[] | undefined {
    return this.#tooLarge ? undefined : this.#layers;
  }

  get #tooLarge(): boolean {
    return this.#bytes > this.mostMib * 2 ** 20;
  }
}

/** What is said where a prompt was too large to be shown again. */
export function notTriedAgain({ heldMib }: { readonly heldMib: number }): string {
  return `whether it does the same again was not tried: a prompt that it looks at takes more than ` +
    `${heldMib} MiB (--policy-held-mib)`;
}
