/**
 * What the stores of one cache share under `qaq`: the packed entries where groups span layers, and
 * the attention that widths follow from.
 *
 * @module
 */
import type { Source } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import type { QaqSettings } from "./qaq_settings.ts";
import type { KvShape } from "../../tensor.ts";

/** The sources that are packed together: all layers of the kind at the token level, else one. */
export function sourcesOfPack<T extends KvShape>(
  source: Source<T>,
  settings: QaqSettings,
): readonly Source<T>[] {
  return settings.level === "token" && source.siblings.length > 0 ? source.siblings : [source];
}

/** Index of a source's layer among those of its pack. */
export function layerInPack(source: Source<KvShape>, settings: QaqSettings): number {
  return sourcesOfPack(source, settings).findIndex(({ layer }) => layer === source.layer);
}

/** Packed entries and the layers whose stores use them. */
export interface SharedPack<P> {
  readonly pack: P;
  readonly layers: Set<number>;
}

/**
 * Joins the pack of a source's layer: its own, or at the token level the one of all layers with the
 * same settings.
 */
export function joinPack<P>(
  source: Source<KvShape>,
  settings: QaqSettings,
  open: () => P,
): SharedPack<P> {
  if (settings.level !== "token") return { pack: open(), layers: new Set([source.layer]) };
  const key = packKey(settings);
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
  settings: QaqSettings,
  shared: SharedPack<P>,
): boolean {
  shared.layers.delete(source.layer);
  if (shared.layers.size > 0) return false;
  if (source.shared.get(packKey(settings)) === shared) source.shared.delete(packKey(settings));
  return true;
}

/**
 * Checks that every layer has joined.
 *
 * @throws {QuantizerError} when a layer is quantized otherwise
 */
export function checkAllJoined<P>(
  source: Source<KvShape>,
  settings: QaqSettings,
  { layers }: SharedPack<P>,
): void {
  if (settings.level !== "token") return;
  const missing = source.siblings.find(({ layer }) => !layers.has(layer));
  if (missing === undefined) return;
  throw new QuantizerError(
    `Layer ${source.layer} ${source.kind}s: quantization_level "token" joins all layers, but layer ` +
      `${missing.layer} has other settings; give every layer the same`,
  );
}

function packKey(settings: QaqSettings): string {
  return `qaq token ${JSON.stringify({ ...settings, layer: 0 })}`;
}

/**
 * Something computed once per layer and cache, such as its attention.
 *
 * @param what what it depends on
 */
export function oncePerLayer<V>(source: Source<KvShape>, what: string, make: () => V): V {
  const key = `qaq layer ${source.layer} ${what}`;
  let value = source.shared.get(key) as V | undefined;
  if (value === undefined) source.shared.set(key, value = make());
  return value;
}

/**
 * Queries and keys of a source.
 *
 * @throws {QuantizerError} when the source does not have them
 */
export function attentionInputs<T extends KvShape>(source: Source<T>): { queries: T; keys: T } {
  const { queries, keys } = source;
  if (queries === undefined || keys === undefined) {
    throw new QuantizerError(
      `Layer ${source.layer} ${source.kind}s are to be given widths by attention, but the model's ` +
        `queries are not at hand`,
    );
  }
  return { queries, keys };
}
