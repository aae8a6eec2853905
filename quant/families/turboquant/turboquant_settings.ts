/**
 * Settings of the family `turboquant`, the tables they imply and how a token is laid out.
 *
 * A token's row holds, head after head, one code per channel in a bit stream that starts on a word of
 * its own: the index of a level in the low bits and, in the inner-product variant, a sign in the
 * highest. Norms are stored token after token, head after head, the residual's norm after the
 * vector's.
 *
 * @module
 */
import { wordsPerRow } from "../../packing/bit_packing.ts";
import type { Settings, StoredBuffer } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { sphereLevels } from "../../numerics/lloyd_max.ts";
import { RecentlyUsed } from "../../numerics/recently_used.ts";
import {
  gaussianMatrix,
  hadamardRotation,
  randomRotation,
  randomSigns,
  transpose,
} from "../../numerics/random_rotation.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";

/** Settings of one layer and kind under `turboquant`. */
export interface TurboquantSettings extends Settings {
  readonly headDim: number;
  /** `"mse"` minimises the error of vectors; `"prod"` gives unbiased inner products. */
  readonly variant: "mse" | "prod";
  readonly rotation: "qr" | "hadamard";
  /** Seed of the rotation and of the projection. */
  readonly seed: number;
  /** Recent tokens kept exact. */
  readonly residualLength: number;
  /** Precision of the norms. */
  readonly paramDtype: "f16" | "f32";
}

/** The family's options. */
export interface TurboquantOptions {
  /** `"mse"` minimises the error of vectors; `"prod"` gives unbiased inner products. */
  readonly variant: "mse" | "prod";
  /** `"hadamard"` needs a `headDim` that is a power of two. */
  readonly rotation: "qr" | "hadamard";
  /** Seed of the rotation and of the projection. */
  readonly seed?: number;
}

/** Constants of the settings, in host memory. */
export interface TurboquantTables {
  /** Orthogonal, `[headDim][headDim]`: rotated is `rotation x`. */
  readonly rotation: Float64Array;
  readonly inverse: Float64Array;
  /** Signs of the Hadamard rotation, when it is one. */
  readonly signs: Float64Array | undefined;
  /** Gaussian, `[headDim][headDim]`, and its transpose; empty in the variant `"mse"`. */
  readonly projection: Float64Array;
  readonly backprojection: Float64Array;
  /** Ascending levels per head, `2^w` for `w` level bits. */
  readonly levels: readonly Float64Array[];
}

/** Where the rows of a token lie. */
export interface TurboquantLayout {
  /** First word of each head's row within a token, and the words of a token. */
  readonly wordOffsets: readonly number[];
  readonly tokenWords: number;
  /** Norms of a token: one or two per head. */
  readonly tokenNorms: number;
}

/** Tokens of a snapshot of `n` tokens that are quantized. */
export function turboquantRange(settings: TurboquantSettings, n: number): TokenRange {
  return slidingWindow(n, settings.residualLength, 0);
}

/** Bits of a code that name a level; the inner-product variant spends one on a sign. */
export function levelBits(settings: TurboquantSettings, bits: number): number {
  return settings.variant === "prod" ? bits - 1 : bits;
}

/** The layout of a token. */
export function turboquantLayout(settings: TurboquantSettings): TurboquantLayout {
  const wordOffsets: number[] = [];
  let tokenWords = 0;
  for (const bits of settings.bits) {
    wordOffsets.push(tokenWords);
    tokenWords += wordsPerRow(settings.headDim, bits);
  }
  const perHead = settings.variant === "prod" ? 2 : 1;
  return { wordOffsets, tokenWords, tokenNorms: perHead * settings.bits.length };
}

/** Words that `count` norms take. */
export function normWords({ paramDtype }: TurboquantSettings, count: number): number {
  return paramDtype === "f16" ? Math.ceil(count / 2) : count;
}

/** The buffers of a store with `range` quantized. */
export function turboquantBuffers(
  settings: TurboquantSettings,
  { tokenWords, tokenNorms }: TurboquantLayout,
  range: TokenRange,
): StoredBuffer[] {
  const tokens = range.to - range.from;
  return [
    {
      role: "codes",
      bytes: tokens * tokenWords * 4,
      bits: settings.bits,
      codes: settings.bits.map(() => tokens * settings.headDim),
    },
    { role: "norms", bytes: normWords(settings, tokens * tokenNorms) * 4 },
  ];
}

/** Bytes of tables that are kept for stores to come: a seed may be another at every step. */
const KEPT_BYTES = 64 * 2 ** 20;

const known = new RecentlyUsed<TurboquantTables>(
  KEPT_BYTES,
  ({ rotation, inverse, projection, backprojection }) =>
    [rotation, inverse, projection, backprojection].reduce((sum, t) => sum + t.byteLength, 0),
);
const knownLevels = new Map<string, Float64Array>();

/** The levels of a width; finding them takes a tenth of a second for 8 bits. */
function levelsOf(headDim: number, width: number): Float64Array {
  const key = `${headDim} ${width}`;
  let levels = knownLevels.get(key);
  if (levels === undefined) knownLevels.set(key, levels = sphereLevels(headDim, width));
  return levels;
}

/**
 * The tables of these settings, made once. A calibration with `rotation`, `projection` and
 * `centroids` replaces what would be derived from the seed and the dimension.
 */
export function turboquantTables(settings: TurboquantSettings): TurboquantTables {
  const { headDim, variant, rotation, seed, bits, calibration } = settings;
  if (calibration !== undefined) return givenTables(settings);
  return known.get(JSON.stringify([headDim, variant, rotation, seed, bits]), () => {
    const signs = rotation === "hadamard" ? randomSigns(headDim, seed) : undefined;
    const matrix = signs === undefined ? randomRotation(headDim, seed) : hadamardRotation(signs);
    // Another stream of numbers than the rotation's.
    const projection = variant === "prod" ? gaussianMatrix(headDim, seed + 1) : undefined;
    const levels = (width: number) => levelsOf(headDim, width);
    return allTables(settings, { matrix, signs, projection, levels });
  });
}

function givenTables(settings: TurboquantSettings): TurboquantTables {
  const { headDim, variant } = settings;
  const given = (name: string, length: number): Float64Array => {
    const array = settings.calibration?.[name];
    if (array === undefined || array.length !== length) {
      throw new QuantizerError(
        `Layer ${settings.layer} ${settings.kind}s: the ${name} of family "turboquant" has ` +
          `${array?.length ?? 0} entries; these settings need ${length}`,
      );
    }
    return Float64Array.from(array);
  };
  const square = headDim * headDim;
  return allTables(settings, {
    matrix: given("rotation", square),
    signs: undefined,
    projection: variant === "prod" ? given("projection", square) : undefined,
    levels: (width) => given("centroids", 2 ** width),
  });
}

interface TableParts {
  readonly matrix: Float64Array;
  readonly signs: Float64Array | undefined;
  readonly projection: Float64Array | undefined;
  levels(width: number): Float64Array;
}

function allTables(settings: TurboquantSettings, parts: TableParts): TurboquantTables {
  const { headDim, bits } = settings;
  const { matrix, signs, projection } = parts;
  const none = new Float64Array(0);
  const byWidth = new Map<number, Float64Array>();
  return {
    rotation: matrix,
    inverse: transpose(matrix, headDim),
    signs,
    projection: projection ?? none,
    backprojection: projection === undefined ? none : transpose(projection, headDim),
    levels: bits.map((total) => {
      const width = levelBits(settings, total);
      let found = byWidth.get(width);
      if (found === undefined) byWidth.set(width, found = parts.levels(width));
      return found;
    }),
  };
}
