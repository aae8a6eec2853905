/** Random settings and caches for property tests of the families that quantize blocks. */
import fc from "fast-check";
import type { GroupOrder } from "../../../../quant/stores/block/block_layout.ts";
import type { Family, HookAnswers, KvKind, Settings } from "../../../../quant/family.ts";
import { hfHqq } from "../../../../quant/families/hf_hqq/hf_hqq.ts";
import { hfQuanto } from "../../../../quant/families/hf_quanto/hf_quanto.ts";
import { kvtuner } from "../../../../quant/families/kvtuner/kvtuner.ts";
import { answers } from "../affine/affine_answers.ts";
import type { CacheScene } from "../../cache_scenes.ts";
import { KV_LOOKS, type KvLook } from "../../kv_data.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

/** What the settings of these families have in common. */
export interface BlockSettings extends Settings {
  readonly order: GroupOrder;
  readonly groupSize: number;
  readonly joined: boolean;
  readonly residualLength: number;
}

/** A family of blocks, whichever. */
// deno-lint-ignore no-explicit-any
export type BlockFamily = Family<any>;

/** The families by name. */
export const BLOCK_FAMILIES: Readonly<Record<string, BlockFamily>> = {
  hf_quanto: hfQuanto,
  hf_hqq: hfHqq,
  kvtuner,
};

/** A scene of one layer and the answers behind its settings. */
export interface BlockScene extends CacheScene<BlockSettings> {
  readonly answers: HookAnswers;
}

/** A scene under these answers. */
export function blockScene(
  family: BlockFamily,
  given: HookAnswers,
  cache: Pick<BlockScene, "heads" | "headDim" | "tokens" | "capacity" | "look" | "seed">,
): BlockScene {
  const settings = settingsFor(family, given, cache);
  return { ...cache, family, kind: given.kind, settings: [settings], answers: given };
}

/** What a test pins down; the rest is drawn. */
export interface BlockChoice {
  readonly look?: KvLook;
  readonly tokens?: number;
  readonly optimize?: boolean;
}

function divisors(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => d >= 8 && n % d === 0);
}

/** Group sizes that divide nothing, for orders that take any. */
const ANY_SIZE = [5, 8, 12, 16, 32, 33, 48, 64, 100];

/** Scenes of one family: settings it accepts, and a cache whose length divides nothing. */
export function blockScenes(name: string, choice: BlockChoice = {}): fc.Arbitrary<BlockScene> {
  const family = BLOCK_FAMILIES[name]!;
  return fc.record({
    kind: fc.constantFrom<KvKind>("key", "value"),
    channel: fc.boolean(),
    named: fc.boolean(),
    flag: fc.boolean(),
    heads: fc.integer({ min: 1, max: 3 }),
    headDim: fc.constantFrom(64, 80, 96, 128),
    width: fc.array(fc.nat({ max: 99 }), { minLength: 3, maxLength: 3 }),
    group: fc.nat({ max: 999 }),
    residual: fc.constantFrom(0, 1, 2, 3, 7, 32),
    tokens: fc.integer({ min: 1, max: 70 }),
    room: fc.integer({ min: 0, max: 6 }),
    look: fc.constantFrom(...KV_LOOKS),
    seed: fc.nat({ max: 1e6 }),
  }).map((draw) => {
    const { kind, heads, headDim, flag } = draw;
    const quanto = name === "hf_quanto";
    const hqq = name === "hf_hqq";
    // HQQ's other axis exists by name alone.
    const named = (quanto && draw.named) || (hqq && (draw.named || draw.channel));
    const sizes = named || draw.channel ? ANY_SIZE : divisors(headDim);
    const widths = family.widths.filter((bits) => !hqq || bits !== 3 || draw.channel);
    const pick = (i: number) => widths[draw.width[i]! % widths.length]!;
    const axis = draw.channel ? "channel" : "token";
    const options = quanto
      ? { quanto_axis: draw.channel ? -1 : 0 }
      : { hqq_axis: draw.channel ? 0 : 1, optimize: choice.optimize ?? flag };
    const given = answers(kind, {
      bits: Array.from({ length: heads }, (_, head) => pick(quanto || hqq ? 0 : head)),
      axis,
      residualLength: draw.residual,
      groupSize: name === "kvtuner" && !draw.channel && draw.named
        ? -1
        : sizes[draw.group % sizes.length]!,
      ...(name === "kvtuner" ? { symmetric: flag } : {}),
      ...(named ? { options } : hqq ? { options: { optimize: choice.optimize ?? flag } } : {}),
    });
    const tokens = choice.tokens ?? draw.tokens;
    return blockScene(family, given, {
      heads,
      headDim,
      tokens,
      capacity: tokens + draw.room,
      look: choice.look ?? draw.look,
      seed: draw.seed,
    });
  });
}

/** The entries of one group, as indices into the cache, and the head whose width they have. */
export interface BlockGroup {
  readonly head: number;
  readonly indices: readonly number[];
}

/** The groups of the quantized tokens, straight from the definition of the orders. */
export function blockGroups(scene: BlockScene): BlockGroup[] {
  const { heads, headDim, capacity, tokens, family } = scene;
  const settings = scene.settings[0]!;
  const { order, groupSize, joined } = settings;
  const { to } = family.quantizedRange(settings, tokens);
  const groups: BlockGroup[] = [];
  for (let first = 0; first < heads; first += joined ? heads : 1) {
    const rows = Array.from({ length: (joined ? heads : 1) * to }, (_, row) => ({
      head: first + Math.floor(row / to),
      at: ((first + Math.floor(row / to)) * capacity + row % to) * headDim,
    }));
    const flat = rows.flatMap(({ at }) => Array.from({ length: headDim }, (_, d) => at + d));
    const count = flat.length / groupSize;
    for (let k = 0; k < count; k++) {
      const indices = Array.from({ length: groupSize }, (_, i) => {
        if (order === "flat") return flat[k * groupSize + i]!;
        if (order === "comb") return flat[k + i * count]!;
        const run = Math.floor(k / headDim);
        return flat[(run * groupSize + i) * headDim + k % headDim]!;
      });
      groups.push({ head: first, indices });
    }
  }
  return groups;
}
