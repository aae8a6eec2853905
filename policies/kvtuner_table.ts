/**
 * Tables of code widths in the format of KVTuner: a YAML or JSON mapping from layers to widths.
 *
 *     0:
 *       nbits_key: 4
 *       nbits_value: 2
 *     1: ...
 *
 * or, one level deeper, from layers to KV heads to widths (KexuanZhang/KVTuner at b26327b,
 * calibration_presets/*.yaml, config/*_per_head.yaml and flexible_quantized_cache.py,
 * `per_layer_config` and `per_head_config`).
 *
 * @module
 */
import { JSON_SCHEMA, load, YAMLException } from "js-yaml";
import type { KvKind } from "../quant/family.ts";
import { PolicyError } from "./check.ts";

/** Widths of one layer's keys or values: one for all heads, or one per KV head. */
export type TableWidths = number | readonly number[];

/** A table: `widths[layer][kind]`. */
export interface KvtunerTable {
  /** Where the table is from, for errors. */
  readonly name: string;
  readonly layers: readonly Readonly<Record<KvKind, TableWidths>>[];
}

/** Widths KVTuner's quantizer has. */
const WIDTHS = [2, 4, 8];

const FIELDS = { key: "nbits_key", value: "nbits_value" } as const;

/** Longest table that is read, in characters: room for 500 layers of 128 heads each. */
const LONGEST = 4_000_000;

/**
 * Reads a table.
 *
 * @param text YAML, or JSON, which is YAML too
 * @param name of the file, for errors
 * @throws {PolicyError} for a text that is no such table; says where and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { parseKvtunerTable } from "./kvtuner_table.ts";
 *
 * const { layers } = parseKvtunerTable("0: {nbits_key: 4, nbits_value: 2}", "table.yaml");
 * assertEquals(layers, [{ key: 4, value: 2 }]);
 * assertThrows(
 *   () => parseKvtunerTable('{"1": {"nbits_key": 4, "nbits_value": 2}}', "table.json"),
 *   Error,
 *   "table.json has no layer 0",
 * );
 * ```
 */
export function parseKvtunerTable(text: string, name: string): KvtunerTable {
  if (text.length > LONGEST) {
    throw new PolicyError(
      `${name} has ${text.length} characters; a table of widths has at most ${LONGEST}`,
    );
  }
  let value: unknown;
  try {
    // A table has no use for aliases, and nested ones can be made to grow without bound.
    value = load(text, { schema: JSON_SCHEMA, maxAliases: 0 });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const line = error.mark === undefined ? "" : ` in line ${error.mark.line + 1}`;
    throw new PolicyError(`${name} is neither YAML nor JSON: ${error.reason}${line}`);
  }
  const layers = consecutive(value, name, "layer").map((entry, layer) => {
    const place = `${name}, layer ${layer}`;
    if (isMapping(entry) && FIELDS.key in entry) return widthsOf(entry, place);
    const heads = consecutive(entry, place, "head").map((head, i) =>
      widthsOf(head, `${place}, head ${i}`)
    );
    return { key: heads.map(({ key }) => key), value: heads.map(({ value }) => value) };
  });
  return { name, layers };
}

/**
 * Width of one KV head.
 *
 * @param layers of the model
 * @param heads KV heads of the model
 * @throws {PolicyError} when the table is for another model
 */
export function tableWidth(
  { name, layers }: KvtunerTable,
  layer: number,
  kind: KvKind,
  head: number,
  model: { readonly layers: number; readonly kv_heads: number },
): number {
  if (layers.length !== model.layers) {
    throw new PolicyError(
      `The table ${name} is for ${
        counted(layers.length, "layer")
      }, but the model has ${model.layers}; ` +
        `a replay takes one of this model with --kvtuner-table`,
    );
  }
  const widths = layers[layer]![kind];
  if (typeof widths === "number") return widths;
  if (widths.length !== model.kv_heads) {
    throw new PolicyError(
      `The table ${name} has ${
        counted(widths.length, "head")
      } in layer ${layer}, but the model has ` +
        `${model.kv_heads} KV heads; a replay takes one of this model with --kvtuner-table`,
    );
  }
  return widths[head]!;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The entries of a mapping from 0, 1, 2, ... in order. */
function consecutive(value: unknown, place: string, what: string): unknown[] {
  const wanted = `it must map every ${what}, counted from 0, to ${FIELDS.key} and ${FIELDS.value}`;
  if (!isMapping(value) || Object.keys(value).length === 0) {
    throw new PolicyError(`${place} is not a table of widths; ${wanted}`);
  }
  const names = Object.keys(value);
  for (let i = 0; i < names.length; i++) {
    if (!Object.hasOwn(value, String(i))) {
      throw new PolicyError(
        `${place} has no ${what} ${i} among its ${names.length} entries; ${wanted}`,
      );
    }
  }
  return names.map((_, i) => value[i]);
}

function widthsOf(entry: unknown, place: string): Record<KvKind, number> {
  const width = (field: string): number => {
    const value = isMapping(entry) ? entry[field] : undefined;
    if (!WIDTHS.includes(value as number)) {
      throw new PolicyError(
        `${place}: ${field} is ${JSON.stringify(value) ?? "missing"}; it must be one of ` +
          WIDTHS.join(", "),
      );
    }
    return value as number;
  };
  const unknown = Object.keys(isMapping(entry) ? entry : {})
    .find((field) => field !== FIELDS.key && field !== FIELDS.value);
  if (unknown !== undefined) {
    throw new PolicyError(
      `${place}: there is a field ${JSON.stringify(unknown)}; ` +
        `only ${FIELDS.key} and ${FIELDS.value} are known`,
    );
  }
  return { key: width(FIELDS.key), value: width(FIELDS.value) };
}
