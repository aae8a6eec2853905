/**
 * @module
 */
import type { Settings } from "./family.ts";

const keys = new WeakMap<Settings, string>();

/**
 * Equal for settings that give equal stores, and that learn the same. What was learned is fixed for a
 * run and left out.
 */
export function settingsKey(settings: Settings): string {
  let key = keys.get(settings);
  if (key === undefined) {
    key = JSON.stringify(settings, (name, value) => name === "calibration" ? undefined : value);
    keys.set(settings, key);
  }
  return key;
}

/** Equal for settings that differ in nothing but their layer: what layers that are coded together have. */
export function keyOfAnyLayer(settings: Settings): string {
  return settingsKey({ ...settings, layer: 0 });
}
