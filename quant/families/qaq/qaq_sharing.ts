/**
 * What the stores of one cache share under `qaq`: which layers are packed together, and the attention
 * that widths follow from.
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
