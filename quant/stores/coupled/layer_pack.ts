/**
 * What families have in common that code several layers together: one pack holds the entries of all
 * of them, and the store of each layer is its share of it.
 *
 * @module
 */
import type {
  BufferContents,
  ConstantBuffer,
  Settings,
  Source,
  StoredBuffer,
} from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { keyOfAnyLayer } from "../../settings_key.ts";
import type { KvShape } from "../../tensor.ts";

/** Entries of some layers that are packed together, on one backend. */
export interface LayerPack<T extends KvShape> {
  /** Quantizes what a snapshot of `n` tokens quantizes and is not yet packed. */
  grow(n: number): void;
  /** Restores the pack's layer number `layer`. */
  restore(layer: number, target: T): void;
  /** Waits for device work; absent where there is none. */
  settle?(): Promise<void>;
  buffers(n: number): readonly StoredBuffer[];
  contents(): readonly BufferContents[] | Promise<readonly BufferContents[]>;
  /** What decoding needs besides the cache; absent where that is nothing. */
  constants?(): readonly ConstantBuffer[];
  /** Frees device memory; absent where there is none. */
  free?(): void;
}

/** A pack and the layers whose stores use it. */
export interface SharedPack<P> {
  readonly pack: P;
  readonly layers: Set<number>;
}

/** Equal for the stores of layers that are packed together. */
function packKey(settings: Settings, [first]: readonly Source<KvShape>[]): string {
  return `pack from layer ${first!.layer} ${keyOfAnyLayer(settings)}`;
}

/** Joins the pack of the layers that are coded together, which the first of them to come opens. */
export function joinPack<P>(
  source: Source<KvShape>,
  settings: Settings,
  together: readonly Source<KvShape>[],
  open: () => P,
): SharedPack<P> {
  if (together.length === 1) return { pack: open(), layers: new Set([source.layer]) };
  const key = packKey(settings, together);
  let shared = source.shared.get(key) as SharedPack<P> | undefined;
  if (shared === undefined) {
    shared = { pack: open(), layers: new Set() };
    source.shared.set(key, shared);
  }
  shared.layers.add(source.layer);
  return shared;
}

/** Leaves a pack; returns true when nobody uses it any more. */
export function leavePack<P>(
  source: Source<KvShape>,
  settings: Settings,
  together: readonly Source<KvShape>[],
  shared: SharedPack<P>,
): boolean {
  shared.layers.delete(source.layer);
  if (shared.layers.size > 0) return false;
  const key = packKey(settings, together);
  if (source.shared.get(key) === shared) source.shared.delete(key);
  return true;
}

/** The error for a layer that is to be coded with another one that has other settings. */
export function notAlikeError(
  { family, layer, kind }: Pick<Settings, "family" | "layer" | "kind">,
  other: number,
): QuantizerError {
  return new QuantizerError(
    `Layer ${layer} ${kind}s: family "${family}" codes layers together here, but layer ${other} ` +
      `has other settings; give every layer the same`,
  );
}

/** The error for keys and values that are to be coded together but have settings of their own. */
export function kindsNotAlikeError(
  { family, layer, kind }: Pick<Settings, "family" | "layer" | "kind">,
): QuantizerError {
  return new QuantizerError(
    `Layer ${layer} ${kind}s: family "${family}" predicts values from keys, but the other kind has ` +
      `other settings; give keys and values the same`,
  );
}
