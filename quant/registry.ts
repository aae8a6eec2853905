/**
 * Every quantizer family by name.
 *
 * @module
 */
import type { Family } from "./family.ts";
import { ownFamily } from "./own_family.ts";
import { QuantizerError } from "./quantizer_error.ts";
import { aquakv } from "./families/aquakv/aquakv.ts";
import { exact } from "./families/exact/exact.ts";
import { fp8 } from "./families/fp8/fp8.ts";
import { ggml } from "./families/ggml/ggml.ts";
import { hfHqq } from "./families/hf_hqq/hf_hqq.ts";
import { hfQuanto } from "./families/hf_quanto/hf_quanto.ts";
import { intTokenHead } from "./families/int_token_head/int_token_head.ts";
import { kivi } from "./families/kivi/kivi.ts";
import { kvquant } from "./families/kvquant/kvquant.ts";
import { kvtc } from "./families/kvtc/kvtc.ts";
import { kvtuner } from "./families/kvtuner/kvtuner.ts";
import { mxfp4 } from "./families/microscaling/mxfp4.ts";
import { mxfp8 } from "./families/microscaling/mxfp8.ts";
import { nvfp4 } from "./families/microscaling/nvfp4.ts";
import { mlx } from "./families/mlx/mlx.ts";
import { nova } from "./families/nova/nova.ts";
import { ortWebgpu } from "./families/ort_webgpu/ort_webgpu.ts";
import { qaq } from "./families/qaq/qaq.ts";
import { skvq } from "./families/skvq/skvq.ts";
import { squat } from "./families/squat/squat.ts";
import { transform } from "./families/transform/transform.ts";
import type { TransformStatistics } from "./families/transform/transform_statistics.ts";
import { turboquant } from "./families/turboquant/turboquant.ts";
import { uniform } from "./families/uniform/uniform.ts";

/**
 * The families, in the order they are listed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { families, type Family } from "@kvreplay/kvreplay/quant";
 *
 * // Families that can store entries as they are.
 * const wide = Object.values<Family>(families).filter(({ widths }) => widths.includes(16));
 * assertEquals(wide.map(({ name }) => name), ["ggml"]);
 * ```
 */
export const families = {
  uniform,
  kivi,
  skvq,
  qaq,
  kvquant,
  hf_quanto: hfQuanto,
  hf_hqq: hfHqq,
  kvtuner,
  squat,
  turboquant,
  transform,
  kvtc,
  aquakv,
  nova,
  ggml,
  fp8,
  int_token_head: intTokenHead,
  nvfp4,
  mxfp4,
  mxfp8,
  mlx,
  ort_webgpu: ortWebgpu,
} as const;

/**
 * Name of a family.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type FamilyName, quantize } from "@kvreplay/kvreplay/quant";
 *
 * const values = { heads: 1, capacity: 32, headDim: 64, data: new Float32Array(32 * 64).fill(1) };
 * const stored = async (family: FamilyName) =>
 *   (await quantize(values, { family, kind: "value", bits: 2 })).bitsPerEntry;
 * // Groups of 64 entries, and of 32.
 * assertEquals([await stored("uniform"), await stored("kivi")], [2.5, 3]);
 * ```
 */
export type FamilyName = keyof typeof families;

/** Whether `name` is a built-in family. */
export function isFamilyName(name: string): name is FamilyName {
  return Object.hasOwn(families, name);
}

/**
 * What families publish to policies (`Family.statistics`), by name of the family.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { FamilyStatistics } from "@kvreplay/kvreplay/policies";
 *
 * // What `calibrate` may make of it: how many components lose next to nothing when left out.
 * const spare = ({ transform }: FamilyStatistics) =>
 *   transform.layers[0]!.key.filter(({ energy }) => energy < 1e-4).length;
 * const component = { variance: 1e-9, energy: 1e-6, bits: [], error: [] };
 * const layer = { key: [component], value: [], sensitivity: { key: 1, value: 1 } };
 * assertEquals(spare({ transform: { widths: [], steps: [], layers: [layer] } }), 1);
 * ```
 */
export interface FamilyStatistics {
  /** Of the family `transform`. */
  readonly transform: TransformStatistics;
  /** Of a family of one's own. */
  readonly [own: string]: unknown;
}

/**
 * Quantizer families by name: the built-in ones, and those that a caller brings.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Families, families, type Family } from "@kvreplay/kvreplay/quant";
 *
 * const mine: Family = {
 *   ...families.uniform,
 *   name: "mine",
 *   resolve: (answers, shape) => ({
 *     ...families.uniform.resolve({ sinkTokens: 0, ...answers }, shape),
 *     family: "mine",
 *   }),
 * };
 * const known = new Families([mine]);
 * assertEquals(known.names.at(-1), "mine");
 * assertEquals(known.of("mine").widths, mine.widths);
 * ```
 */
export class Families {
  readonly #byName: ReadonlyMap<string, Family>;

  /**
   * Takes the built-in families, and others beside them.
   *
   * @param own families beside the built-in ones
   * @throws {QuantizerError} for a name that is taken or is no name, or an object that is no family
   */
  constructor(own: readonly Family[] = []) {
    const byName = new Map<string, Family>(Object.entries(families));
    for (const family of own.map(ownFamily)) {
      if (byName.has(family.name) || family.name === exact.name) {
        throw new QuantizerError(
          `There is a quantizer family "${family.name}" already; give yours another name`,
        );
      }
      byName.set(family.name, family);
    }
    this.#byName = byName;
  }

  /** These families and one more. */
  and(family: Family): Families {
    const own = [...this.#byName.values()].filter(({ name }) => !isFamilyName(name));
    return new Families([...own, family]);
  }

  /** Names that a policy may return, in the order they are listed. */
  get names(): string[] {
    return [...this.#byName.keys()];
  }

  /** Whether a policy may return `name`. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /**
   * The family called `name`; also `exact`, which a plan may name and a policy may not.
   *
   * @throws {QuantizerError} when there is none; the message lists the names
   */
  of(name: string): Family {
    const family = name === exact.name ? exact : this.#byName.get(name);
    if (family === undefined) {
      throw new QuantizerError(
        `There is no quantizer family "${name}"; choose one of ${this.names.join(", ")}`,
      );
    }
    return family;
  }
}

/**
 * The built-in families alone.
 *
 * @example
 * ```ts
 * import { assert, assertThrows } from "@std/assert";
 * import { builtInFamilies, QuantizerError } from "@kvreplay/kvreplay/quant";
 *
 * // A name that a user typed.
 * assert(builtInFamilies.of("kivi").widths.includes(2));
 * assertThrows(() => builtInFamilies.of("kiwi"), QuantizerError, "choose one of uniform, kivi");
 * ```
 */
export const builtInFamilies: Families = new Families();
