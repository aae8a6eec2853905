/** Random settings and caches for property tests of the affine families. */
import fc from "fast-check";
import { axesOf, takenHooks } from "../../../../quant/declared.ts";
import type { AffineSettings } from "../../../../quant/stores/affine/affine_settings.ts";
import type { Family, HookAnswers, KvKind } from "../../../../quant/family.ts";
import { headsPerBand } from "../../../../quant/stores/affine/group_layout.ts";
import { kivi } from "../../../../quant/families/kivi/kivi.ts";
import { skvq } from "../../../../quant/families/skvq/skvq.ts";
import { uniform } from "../../../../quant/families/uniform/uniform.ts";
import { answers } from "./affine_answers.ts";
import { KV_LOOKS, kvData, type KvLook } from "../../kv_data.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

/** One affine family. */
export type AffineFamily = Family<AffineSettings>;

/** The affine families by name. */
export const AFFINE_FAMILIES: Readonly<Record<string, AffineFamily>> = { uniform, kivi, skvq };

/** A family under some settings, and the cache it is given. */
export interface AffineScene {
  readonly family: AffineFamily;
  readonly answers: HookAnswers;
  readonly settings: AffineSettings;
  readonly heads: number;
  readonly headDim: number;
  /** Tokens of the last snapshot. */
  readonly tokens: number;
  /** Room in the tensor; at least `tokens`. */
  readonly capacity: number;
  readonly look: KvLook;
  readonly seed: number;
}

/** The cache of a scene, `[heads, capacity, headDim]`. */
export function sceneData(scene: AffineScene): Float32Array<ArrayBuffer> {
  return kvData(scene.heads * scene.capacity, scene.headDim, scene.look, scene.seed);
}

function divisors(n: number, least: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => d >= least && n % d === 0);
}

function spanningGroups(heads: number, headDim: number): number[] {
  return divisors(heads * headDim, 8).filter((g) => g <= 256);
}

/** What a test pins down; the rest is drawn. */
export interface SceneChoice {
  readonly clipRatio?: number;
  readonly fp8?: boolean;
  readonly look?: KvLook;
}

/** Scenes of one family: settings it accepts, and a cache whose length divides nothing. */
export function affineScene(
  family: AffineFamily,
  choice: SceneChoice = {},
): fc.Arbitrary<AffineScene> {
  return fc.record({
    kind: fc.constantFrom<KvKind>("key", "value"),
    swap: fc.boolean(),
    heads: fc.integer({ min: 1, max: 4 }),
    headDim: fc.constantFrom(64, 80, 96, 128),
    widths: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 4, maxLength: 4 }),
    group: fc.nat(),
    residual: fc.constantFrom(0, 0, 1, 13, 32),
    sink: fc.constantFrom(0, 0, 1, 5),
    clip: fc.constantFrom(1, 1, 0.92, 0.5),
    fp8: fc.boolean(),
    tokens: fc.integer({ min: 1, max: 90 }),
    room: fc.integer({ min: 0, max: 9 }),
    look: fc.constantFrom(...KV_LOOKS),
    seed: fc.nat(),
  }).map((draw) => {
    const { kind, heads, headDim } = draw;
    const [usual, other = usual] = axesOf(family, kind);
    const axis = (draw.swap ? other : usual)!;
    const channel = axis === "channel";
    const sizes = channel
      ? [5, 8, 16, 32]
      : family.name === "skvq"
      ? spanningGroups(heads, headDim)
      : divisors(headDim, 4);
    const groupSize = sizes[draw.group % sizes.length]!;
    const band = channel ? 1 : headsPerBand(groupSize, headDim);
    const given = answers(kind, {
      bits: Array.from({ length: heads }, (_, head) => draw.widths[head - head % band]!),
      axis,
      groupSize,
      residualLength: draw.residual,
      sinkTokens: draw.sink,
      clipRatio: takenHooks(family).includes("clip_ratio") ? choice.clipRatio ?? draw.clip : 1,
      ...family.name === "skvq" ? { options: { fp8_params: choice.fp8 ?? draw.fp8 } } : {},
    });
    return {
      family,
      answers: given,
      settings: settingsFor(family, given, { heads, headDim }),
      heads,
      headDim,
      tokens: draw.tokens,
      capacity: draw.tokens + draw.room,
      look: choice.look ?? draw.look,
      seed: draw.seed,
    };
  });
}

/** The entries of one group, as indices into the cache, and the head whose width they have. */
export interface GroupEntries {
  readonly head: number;
  readonly indices: readonly number[];
}

/** The groups of the quantized tokens, straight from the definition of the axes. */
export function groupsOf(scene: AffineScene): GroupEntries[] {
  const { settings, heads, headDim, capacity, tokens } = scene;
  const { axis, groupSize } = settings;
  const { from, to } = scene.family.quantizedRange(settings, tokens);
  const index = (head: number, token: number, channel: number) =>
    (head * capacity + token) * headDim + channel;
  const groups: GroupEntries[] = [];
  if (axis === "channel") {
    for (let head = 0; head < heads; head++) {
      for (let first = from; first < to; first += groupSize) {
        for (let channel = 0; channel < headDim; channel++) {
          const indices = Array.from(
            { length: groupSize },
            (_, i) => index(head, first + i, channel),
          );
          groups.push({ head, indices });
        }
      }
    }
    return groups;
  }
  for (let token = from; token < to; token++) {
    for (let first = 0; first < heads * headDim; first += groupSize) {
      const indices = Array.from({ length: groupSize }, (_, i) => {
        const flat = first + i;
        return index(Math.floor(flat / headDim), token, flat % headDim);
      });
      groups.push({ head: Math.floor(first / headDim), indices });
    }
  }
  return groups;
}
