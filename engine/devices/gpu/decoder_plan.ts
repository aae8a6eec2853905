/**
 * How a pass of a decoder is cut into workgroups, and what memory it takes beside weights and cache.
 *
 * @module
 */
import type { Model } from "../../checkpoint/model.ts";
import type { ModelShape } from "../../engine.ts";
import { type AttentionTile, attentionTile } from "./attention_text.ts";
import { FLOAT_BYTES, type FloatName } from "./float_words.ts";
import type { Tile } from "./product_text.ts";

/** Numbers that lie together. */
export const FOUR = 4;

/** A tile, and the most rows that it is for; whether it is multiplied in float16. */
export interface ProductTile extends Tile {
  readonly most: number;
  readonly halves: boolean;
}

/** Tiles of a product. With few rows, bringing the matrix takes longer than multiplying. */
export const PRODUCT_TILES: readonly ProductTile[] = [
  { most: 8, halves: false, rows: 8, columns: 64, depth: 32, down: 2 },
  { most: 64, halves: false, rows: 32, columns: 64, depth: 32, down: 8 },
  { most: Infinity, halves: true, rows: 64, columns: 64, depth: 64, down: 16 },
  { most: Infinity, halves: false, rows: 128, columns: 128, depth: 16, down: 16 },
];

/** The tile for so many rows, by its place among them. */
function productTile(rows: number, halves: boolean): number {
  return PRODUCT_TILES.findIndex((tile) => rows <= tile.most && (halves || !tile.halves));
}

/** Whether so many rows are multiplied in float16 where they can be. */
export function multipliesHalves(rows: number, halves: boolean): boolean {
  return PRODUCT_TILES[productTile(rows, halves)]!.halves;
}

/** Workgroups of a product that keep a large device busy. */
const BUSY = 512;

/** The same of attention, whose workgroups have more or less to look at. */
const ATTENTION_BUSY = 2048;

/** Numbers of the inner axis in a split of it at least, and of the entries in one of attention. */
const LEAST_SPLIT = 64;

/** Rows and columns of a matrix as Hugging Face stores it. */
export interface MatrixSize {
  readonly rows: number;
  readonly columns: number;
}

/** How a product is computed. */
export interface ProductPlan {
  /** Which of the tiles. */
  readonly tile: number;
  readonly rowTiles: number;
  readonly columnTiles: number;
  /** Numbers of the inner axis in a part, and how many parts there are. */
  readonly split: number;
  readonly parts: number;
  /** Fours of a row of the product. */
  readonly outWidth: number;
}

/**
 * The plan of a product of so many rows.
 *
 * @param halves whether it may be multiplied in float16
 * @param whole whether it must come in one part
 */
export function productPlan(
  matrix: MatrixSize,
  rows: number,
  halves: boolean,
  whole = false,
): ProductPlan {
  const tile = productTile(rows, halves);
  const { rows: tileRows, columns: tileColumns, depth } = PRODUCT_TILES[tile]!;
  const { rows: columns, columns: inner } = matrix;
  const rowTiles = Math.ceil(rows / tileRows);
  const columnTiles = Math.ceil(columns / tileColumns);
  const wanted = whole ? 1 : Math.floor(BUSY / (rowTiles * columnTiles));
  const most = Math.max(1, Math.min(wanted, Math.floor(inner / LEAST_SPLIT)));
  const split = depth * Math.ceil(inner / most / depth);
  const parts = Math.ceil(inner / split);
  return { tile, rowTiles, columnTiles, split, parts, outWidth: Math.ceil(columns / FOUR) };
}

/** How attention of some fed tokens is computed. */
export interface AttentionPlan {
  readonly tile: AttentionTile;
  readonly rowTiles: number;
  readonly splits: number;
}

/**
 * The plan of attention.
 *
 * @param rows fed tokens that look
 * @param entries what is looked at, fed tokens among it
 * @param memory bytes of a workgroup's memory
 * @param mostSplits splits that there is room for
 * @throws {UserError} for heads that are too large
 */
export function attentionPlan(
  { queryHeads, kvHeads, headDim }: ModelShape,
  rows: number,
  entries: number,
  memory: number,
  mostSplits = Infinity,
): AttentionPlan {
  const folded = queryHeads / kvHeads * rows;
  const tile = attentionTile(headDim, folded, memory);
  const rowTiles = Math.ceil(folded / tile.rows);
  const wanted = Math.floor(ATTENTION_BUSY / (kvHeads * rowTiles));
  const splits = Math.min(Math.max(1, wanted), Math.ceil(entries / LEAST_SPLIT), mostSplits);
  return { tile, rowTiles, splits };
}

/** Rows that are multiplied, the largest of each of which is kept. */
export const TOPS = ["normed", "context", "activated"] as const;

/** What a pass computes, as far as its memory depends on it. */
export interface PassSize {
  readonly rows: number;
  /** Rows with logits. */
  readonly logits: number;
  /** Splits of attention. */
  readonly splits: number;
  /** Whether products may be multiplied in float16. */
  readonly halves: boolean;
}

/** Words of each buffer that a pass computes in. */
export function scratchWords(
  { shape, config: { intermediate } }: Pick<Model, "shape" | "config">,
  precision: FloatName,
  { rows, logits, splits, halves }: PassSize,
) {
  const { hidden, vocab, queryHeads, kvHeads, headDim } = shape;
  const attended = queryHeads * headDim;
  const kept = kvHeads * headDim;
  const matrices: readonly MatrixSize[] = [
    { rows: attended + 2 * kept, columns: hidden },
    { rows: hidden, columns: attended },
    { rows: 2 * intermediate, columns: hidden },
    { rows: hidden, columns: intermediate },
  ];
  const products = matrices.flatMap((matrix) =>
    [rows, logits].map((of) => {
      const { parts, outWidth } = productPlan(matrix, of, halves);
      return parts * of * FOUR * outWidth;
    })
  );
  const inPrecision = (numbers: number) =>
    Math.ceil(numbers * FLOAT_BYTES[precision] / FLOAT_BYTES.float32);
  return {
    product: Math.max(...products),
    residual: rows * hidden,
    normed: inPrecision(rows * hidden),
    activated: inPrecision(rows * intermediate),
    gathered: splits * rows * attended,
    shares: 2 * splits * rows * queryHeads,
    tops: TOPS.length * rows,
    context: inPrecision(rows * attended),
    keys: rows * kept,
    values: rows * kept,
    queries: rows * attended,
    logits: logits * FOUR * Math.ceil(vocab / FOUR),
  };
}
