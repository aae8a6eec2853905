/** Caches of one layer for families that learn offline. */
import type { Family, KvKind, Settings } from "../../quant/family.ts";
import { learn } from "../../quant/learned.ts";
import { keepSamples } from "../../quant/sample_keeper.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import { type CacheScene, rotaryOf } from "./cache_scenes.ts";
import { kvData, type KvLook } from "./kv_data.ts";

/** What a cache is drawn from. */
export interface SceneDraw {
  readonly kind: KvKind;
  readonly heads: number;
  readonly headDim: number;
  readonly tokens: number;
  readonly capacity: number;
  readonly look: KvLook;
  readonly seed: number;
}

/** The cache of a draw under settings. */
export function oneLayerScene<S extends Settings>(
  family: Family<S>,
  { kind, heads, headDim, tokens, capacity, look, seed }: SceneDraw,
  settings: S,
): CacheScene<S> {
  return {
    family,
    kind,
    settings: [settings],
    heads,
    headDim,
    tokens,
    capacity,
    look,
    seed,
  };
}

/**
 * Settings, calibrated if they ask for it on a sample that looks like the draw's own tensor.
 *
 * @param tokens of the sample
 * @param queryGroup query heads per KV head of the sample; without it there are no queries
 */
export function calibratedOn<S extends Settings>(
  family: Family<S>,
  settings: S,
  { heads, headDim, look, seed }: SceneDraw,
  tokens: number,
  queryGroup?: number,
): S {
  if (!settings.calibrated) return settings;
  const tensor = (heads: number, offset: number): CpuTensor => ({
    heads,
    capacity: tokens,
    headDim,
    data: kvData(heads * tokens, headDim, look, seed + offset),
  });
  const sample = tensor(heads, 1000);
  const queries = queryGroup === undefined ? [] : [tensor(heads * queryGroup, 2000)];
  const layer = { keys: [sample], preRopeKeys: [sample], values: [sample], queries };
  const samples = { layers: [layer], rotary: rotaryOf(headDim) };
  return {
    ...settings,
    calibration: learn(family as unknown as Family, keepSamples(samples), settings),
  };
}
