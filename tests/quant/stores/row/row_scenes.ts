/** The families that store rows, and caches of theirs for tests. */
import fc from "fast-check";
import type { Family, HookAnswers, KvKind, Settings } from "../../../../quant/family.ts";
import { ggml } from "../../../../quant/families/ggml/ggml.ts";
import { GGML_TYPES } from "../../../../quant/families/ggml/ggml_types.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import type { CacheScene } from "../../cache_scenes.ts";
import { KV_LOOKS, type KvLook } from "../../kv_data.ts";
import { answers } from "../affine/affine_answers.ts";

/** A way to store rows: what a policy would ask for. */
export interface RowCase {
  readonly bits: number;
  readonly ask: Partial<HookAnswers>;
  /** Bits of an entry, numbers of blocks included, at 64 channels. */
  readonly stored: number;
  /** Root mean square error of normal numbers, at most. */
  readonly error: number;
}

/** A family of rows, with the ways it is tested in. */
export interface RowFamilyCases {
  readonly family: Family<Settings>;
  readonly headDims: readonly number[];
  readonly cases: readonly RowCase[];
}

const of = (bits: number, options: object, stored: number, error: number): RowCase => ({
  bits,
  ask: { options: options as Record<string, unknown> },
  stored,
  error,
});

/** Every family of rows. */
export const ROW_FAMILIES: Readonly<Record<string, RowFamilyCases>> = {
  ggml: {
    family: ggml as Family<Settings>,
    headDims: [32, 64, 96, 128],
    cases: [
      of(16, { type: "f16" }, 16, 0.0005),
      of(16, { type: "bf16" }, 16, 0.006),
      of(8, { type: "q8_0" }, 8.5, 0.01),
      of(5, { type: "q5_1" }, 6, 0.06),
      of(5, { type: "q5_0" }, 5.5, 0.07),
      of(4, { type: "q4_1" }, 5, 0.12),
      of(4, { type: "q4_0" }, 4.5, 0.14),
      of(8, { type: "q8_0", rotate: false }, 8.5, 0.01),
      of(4, { type: "q4_1", rotate: false }, 5, 0.12),
    ],
  },
};

/** Whether every type of ggml is among the cases. */
export const GGML_TYPE_NAMES = Object.keys(GGML_TYPES);

/** What a test pins down; the rest is drawn. */
export interface RowChoice {
  readonly look?: KvLook;
  readonly headDim?: number;
  readonly tokens?: number;
  readonly residual?: number;
}

/** A cache under one of some cases of a family. */
export function rowScenes(
  { family, headDims, cases }: RowFamilyCases,
  choice: RowChoice = {},
): fc.Arbitrary<CacheScene<Settings>> {
  return fc.record({
    kind: fc.constantFrom<KvKind>("key", "value"),
    heads: fc.integer({ min: 1, max: 3 }),
    headDim: fc.constantFrom(...headDims),
    which: fc.constantFrom(...cases),
    residual: fc.constantFrom(0, 0, 7),
    tokens: fc.integer({ min: 1, max: 40 }),
    room: fc.integer({ min: 0, max: 5 }),
    look: fc.constantFrom(...KV_LOOKS),
    seed: fc.nat({ max: 1e6 }),
  }).map((draw) => {
    const { kind, heads, which, seed } = draw;
    const { headDim = draw.headDim, tokens = draw.tokens, look = draw.look } = choice;
    const given = answers(kind, {
      ...which.ask,
      bits: new Array<number>(heads).fill(which.bits),
      residualLength: choice.residual ?? draw.residual,
    });
    return {
      family,
      kind,
      settings: [settingsFor(family, given, { heads, headDim })],
      heads,
      headDim,
      tokens,
      capacity: tokens + draw.room,
      look,
      seed,
    };
  });
}
