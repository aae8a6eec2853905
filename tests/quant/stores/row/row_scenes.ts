/** The families that store rows, and caches of theirs for tests. */
import fc from "fast-check";
import type { Family, HookAnswers, KvKind, Settings } from "../../../../quant/family.ts";
import { fp8 } from "../../../../quant/families/fp8/fp8.ts";
import { ggml } from "../../../../quant/families/ggml/ggml.ts";
import { intTokenHead } from "../../../../quant/families/int_token_head/int_token_head.ts";
import { mxfp4 } from "../../../../quant/families/microscaling/mxfp4.ts";
import { mxfp8 } from "../../../../quant/families/microscaling/mxfp8.ts";
import { nvfp4 } from "../../../../quant/families/microscaling/nvfp4.ts";
import { mlx } from "../../../../quant/families/mlx/mlx.ts";
import { ortWebgpu } from "../../../../quant/families/ort_webgpu/ort_webgpu.ts";
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
  /** Calibrated scales of three heads. */
  readonly scales?: readonly number[];
}

/** A family of rows, with the ways it is tested in. */
export interface RowFamilyCases {
  readonly family: Family<Settings>;
  readonly headDims: readonly number[];
  readonly cases: readonly RowCase[];
}

function of(
  bits: number,
  options: Readonly<Record<string, unknown>>,
  stored: number,
  error: number,
  ask: Partial<HookAnswers> = {},
): RowCase {
  return { bits, ask: { ...ask, options }, stored, error };
}

/** Every family of rows. */
export const ROW_FAMILIES: Readonly<Record<string, RowFamilyCases>> = {
  ggml: {
    family: ggml as Family<Settings>,
    headDims: [32, 64, 96, 128],
    cases: [
      of(16, { type: "f16" }, 16, 0.0005),
      of(16, { type: "bf16" }, 16, 0.004),
      of(8, { type: "q8_0" }, 8.5, 0.01),
      of(5, { type: "q5_1" }, 6, 0.06),
      of(5, { type: "q5_0" }, 5.5, 0.07),
      of(4, { type: "q4_1" }, 5, 0.12),
      of(4, { type: "q4_0" }, 4.5, 0.14),
      of(4, { type: "iq4_nl" }, 4.5, 0.12),
      of(8, { type: "q8_0", rotate: false }, 8.5, 0.01),
      of(4, { type: "q4_1", rotate: false }, 5, 0.12),
    ],
  },
  fp8: {
    family: fp8 as Family<Settings>,
    headDims: [6, 64, 80],
    cases: [
      of(8, { format: "e4m3" }, 8, 0.04),
      of(8, { format: "e5m2" }, 8, 0.08),
      of(8, { scale: "token_head" }, 8.5, 0.04),
      { ...of(8, { scale: "tensor" }, 8, 0.04), scales: [0.007, 0.007, 0.007] },
      { ...of(8, { scale: "head" }, 8, 0.04), scales: [0.01, 0.007, 0.02] },
    ],
  },
  int_token_head: {
    family: intTokenHead as Family<Settings>,
    headDims: [6, 64, 80],
    cases: [
      of(8, {}, 8.5, 0.01),
      of(4, {}, 4.5, 0.2),
      of(8, {}, 9, 0.01, { symmetric: false }),
      of(4, {}, 5, 0.15, { symmetric: false }),
      of(8, { parameters: "f16" }, 8.5, 0.01, { symmetric: false }),
      of(4, { parameters: "f16" }, 4.5, 0.15, { symmetric: false }),
    ],
  },
  nvfp4: {
    family: nvfp4 as Family<Settings>,
    headDims: [16, 64, 80],
    cases: [
      of(4, {}, 4.5, 0.15),
      { ...of(4, { levels: 2 }, 4.5, 0.15), scales: [0.0015, 0.0015, 0.0015] },
    ],
  },
  mxfp4: {
    family: mxfp4 as Family<Settings>,
    headDims: [32, 64, 96],
    cases: [
      of(4, {}, 4.25, 0.2),
      of(4, { exponent: "ceil" }, 4.5, 0.2, { groupSize: 16 }),
    ],
  },
  mxfp8: {
    family: mxfp8 as Family<Settings>,
    headDims: [32, 64, 96],
    cases: [of(8, {}, 8.25, 0.04), of(8, { format: "e5m2" }, 8.25, 0.08)],
  },
  mlx: {
    family: mlx as Family<Settings>,
    headDims: [64, 128],
    cases: [
      of(8, {}, 8.5, 0.01),
      of(6, {}, 6.5, 0.03),
      of(5, {}, 5.5, 0.06),
      of(4, {}, 4.5, 0.12),
      of(3, { parameters: "bf16" }, 3.5, 0.3),
      of(2, { start: 9 }, 3, 0.6, { groupSize: 32 }),
    ],
  },
  ort_webgpu: {
    family: ortWebgpu as Family<Settings>,
    headDims: [8, 64, 128],
    cases: [of(8, {}, 8.5, 0.01), of(4, {}, 4.5, 0.2)],
  },
};

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
      calibrationMode: which.scales === undefined ? "none" : "offline",
    });
    const settings = settingsFor(family, given, { heads, headDim });
    return {
      family,
      kind,
      settings: [
        which.scales === undefined ? settings : {
          ...settings,
          calibration: { scales: Float32Array.from(which.scales.slice(0, heads)) },
        },
      ],
      heads,
      headDim,
      tokens,
      capacity: tokens + draw.room,
      look,
      seed,
    };
  });
}
