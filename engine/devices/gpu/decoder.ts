/**
 * A decoder of the Llama kind as kernels of ours: what `buildDecoder` writes down as a graph, for a GPU.
 *
 * A pass is some two hundred launches that are recorded at once and submitted together. The residual
 * stream and the softmax are float32; weights and what goes into products are in the precision of the
 * engine, and sums of products in float32, in float16 over a few of them where there are many rows.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import { type BoundKernel, Kernels } from "../../../quant/gpu/kernels.ts";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import type { GpuTensor } from "../../../quant/tensor.ts";
import type { Model } from "../../checkpoint/model.ts";
import type { ForwardInput, LayerOutput, ModelShape } from "../../engine.ts";
import { attentionText, type AttentionTile } from "./attention_text.ts";
import decoderText from "./decoder.wgsl" with { type: "text" };
import type { DecoderWeights, Linear } from "./decoder_weights.ts";
import {
  attentionPlan,
  FOUR,
  multipliesHalves,
  PRODUCT_TILES,
  productPlan,
  scratchWords,
  TOPS,
} from "./decoder_plan.ts";
import { halfProductText } from "./half_product_text.ts";
import { type FloatName, floatWords } from "./float_words.ts";
import { maskBits } from "./mask_bits.ts";
import { productText } from "./product_text.ts";
import { RotaryRows } from "./rotary_rows.ts";

/** Part of every cache key: raise it when the kernels compute anything differently, or in another time. */
export const GPU_DECODER_VERSION = 11;

/** The logits of a pass. */
export interface Logits {
  readonly buffer: GPUBuffer;
  /** Numbers from one row to the next. */
  readonly stride: number;
}

/** Where tensors of the layers go, if any. */
export interface DecoderPlace {
  readonly layers: readonly LayerOutput<GpuTensor>[];
  /** Entry of the first fed token among keys and values. */
  readonly at: number;
}

interface Binding {
  readonly kernels: Kernels;
  readonly buffers: Readonly<Record<string, GPUBuffer | undefined>>;
  readonly bound: BoundKernel;
}

/** Rows that are multiplied with a matrix. */
interface LeftFactor {
  readonly buffer: GPUBuffer;
  readonly rows: number;
  /** First row that counts. */
  readonly first: number;
  readonly product: GPUBuffer;
  /** Largest numbers of rows, and the place of the first row's. */
  readonly tops: GPUBuffer;
  readonly topsAt: number;
  /** Whether the product must come in one part. */
  readonly whole: boolean;
}

/** Invocations that part the heads of many rows: the rest comes when they are done. */
const PARTING = 2 ** 18;

const NO_JOB = {
  ...{ rows: 0, width: 0, parts: 0, first_row: 0, has_bias: 0, eps: 0, query_heads: 0 },
  ...{ kv_heads: 0, head_dim: 0, wants_before: 0, splits: 0 },
  ...{ kv_capacity: 0, kv_first: 0, tops: 0 },
};

/** See the module. */
export class GpuDecoder {
  readonly #bench: Workbench;
  readonly #shape: ModelShape;
  readonly #small: Kernels;
  readonly #products: readonly Kernels[];
  readonly #attentions = new Map<AttentionTile, Kernels>();
  readonly #rotary: RotaryRows;
  readonly #scratch = new Map<string, GPUBuffer>();
  /** Kernels and what they were bound to last, by what they are for. */
  readonly #bound = new Map<string, Binding>();

  /** @throws {UserError} for sizes that the kernels do not have */
  constructor(
    device: GPUDevice,
    private readonly model: Pick<Model, "shape" | "config">,
    private readonly weights: DecoderWeights,
    private readonly precision: FloatName,
  ) {
    this.#bench = Workbench.of(device);
    const { shape } = model;
    this.#shape = shape;
    checkFours(model);
    const words = floatWords(precision);
    this.#small = Kernels.of(device, "decoder", [words, decoderText]);
    this.#products = PRODUCT_TILES.map((tile) => {
      const name = `product of ${tile.rows} rows`;
      return tile.halves
        ? Kernels.of(device, `${name} in halves`, [halfProductText(tile)])
        : Kernels.of(device, name, [words, productText(tile)]);
    });
    // Refuses heads that are too large.
    this.#attentionPlan(1, 1);
    this.#rotary = new RotaryRows(shape.rotary);
  }

  /**
   * Runs fed tokens; the layers' tensors go to a place, as far as there are any, keys before RoPE and
   * queries to its start. The logits are good until the next run.
   */
  run(input: ForwardInput<GpuTensor>, place: DecoderPlace): Logits {
    return this.#bench.batch(() => this.#run(input, place));
  }

  #run(input: ForwardInput<GpuTensor>, { layers: targets, at }: DecoderPlace): Logits {
    const { weights } = this;
    const { ids, positions, past, maskLayers, logits } = input;
    const { hidden, vocab, queryHeads, kvHeads, headDim, layers } = this.#shape;
    const { rmsNormEps, intermediate, parts: { headNorms } } = this.model.config;
    const rows = ids.length;
    const width = hidden / FOUR;
    const attended = queryHeads * headDim;
    const capacity = past[0]!.key.capacity;
    const seen = maskBits(input);
    const entries = (seen.causal ?? capacity) + rows;
    const attention = this.#attentionPlan(rows, entries);

    const given = (name: string, words: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>) => {
      const buffer = this.#room(name, words.length);
      this.#bench.write(buffer, 0, words);
      return buffer;
    };
    // All memory first: what is bound must not be freed by what follows.
    const { halves } = weights;
    const size = { rows, logits, splits: attention.splits, halves };
    const words = scratchWords(this.model, this.precision, size);
    const room = (name: keyof typeof words) => this.#room(name, words[name]);
    const [product, residual, normed] = [room("product"), room("residual"), room("normed")];
    const [activated, context] = [room("activated"), room("context")];
    const [gathered, shares, tops] = [room("gathered"), room("shares"), room("tops")];
    const kept = { tops: multipliesHalves(rows, halves) ? rows : 0 };
    const own = { keys: room("keys"), values: room("values"), queries: room("queries") };
    const stride = FOUR * Math.ceil(vocab / FOUR);
    const logitsOut = room("logits");
    const factors = { normed, context, activated };
    const multiply = (
      name: string,
      linear: Linear,
      of: { input: typeof TOPS[number]; rows: number; first: number; into?: GPUBuffer },
    ) =>
      this.#product(name, linear, {
        ...{ buffer: factors[of.input], rows: of.rows, first: of.first },
        ...{ product: of.into ?? product, whole: of.into !== undefined },
        ...{ tops, topsAt: TOPS.indexOf(of.input) * rows },
      });
    const idsIn = given("ids", Uint32Array.from(ids));
    const turns = given("turns", this.#rotary.of(positions));
    const maskIn = given("mask", seen.bits);

    const small = this.#small;
    const norm = (
      name: string,
      weight: GPUBuffer,
      of: { rows: number; first: number; parts: number; bias?: GPUBuffer | undefined },
    ) =>
      this.#bind(name, small, "add_and_norm", {
        ...{ residual, product, weight, rows_out: normed, tops, bias: of.bias },
      })({ workgroups: of.rows }, {
        job: {
          ...NO_JOB,
          ...kept,
          ...{ rows: of.rows, width, parts: of.parts, first_row: of.first, eps: rmsNormEps },
          has_bias: of.bias !== undefined,
        },
      });

    this.#bind("look up", small, "look_up", {
      ...{ ids: idsIn, matrix: weights.embedding, residual },
    })({ threads: rows * width }, { job: { ...NO_JOB, rows, width } });
    norm("first norm", weights.layers[0]!.attentionNorm, { rows, first: 0, parts: 0 });
    const scale = Math.LOG2E / Math.sqrt(headDim);
    for (const [l, layer] of weights.layers.entries()) {
      const target = targets[l];
      const fed = target === undefined
        ? { capacity: rows, first: 0 }
        : { capacity: target.key.capacity, first: at };
      const keys = target?.key.buffer ?? own.keys;
      const values = target?.value.buffer ?? own.values;
      const queries = target?.query?.buffer ?? own.queries;
      const before = target?.preRopeKey?.buffer;
      const projected = multiply(`projections ${l}`, layer.projections, {
        ...{ input: "normed", rows, first: 0 },
      });
      const heads = {
        projected: product,
        projected_bias: layer.projections.bias,
        head_norms: layer.headNorms,
        turns,
        queries,
        keys,
        values,
        keys_before: before ?? this.#unused,
      };
      // A row without logits is done once its key and value exist.
      const count = l + 1 === layers ? logits : rows;
      const first = rows - count;
      const looking = target?.query === undefined ? count : rows;
      const allHeads = rows * (queryHeads + 2 * kvHeads);
      const parting = headNorms ? "part_normed_heads" : "part_heads";
      this.#bind(`part heads ${l}`, small, parting, heads)({
        ...(headNorms
          ? { workgroups: allHeads }
          : { threads: Math.min(allHeads * headDim / 2, PARTING) }),
      }, {
        job: {
          ...NO_JOB,
          ...{ rows, parts: projected, eps: rmsNormEps, first_row: rows - looking },
          ...{ kv_capacity: fed.capacity, kv_first: fed.first },
          ...{ query_heads: queryHeads, kv_heads: kvHeads, head_dim: headDim },
          has_bias: layer.projections.bias !== undefined,
          wants_before: before !== undefined,
        },
      });
      const { kernels, rowTiles, splits } = looking === rows
        ? attention
        : this.#attentionPlan(looking, entries, Math.floor(attention.splits * rows / looking));
      const attending = this.#bind(`attend ${l}`, kernels, "attend", {
        queries,
        past_keys: past[l]!.key.buffer,
        past_values: past[l]!.value.buffer,
        keys,
        values,
        mask: maskIn,
        gathered,
        weights: shares,
      });
      const tiles = rowTiles * kvHeads * splits;
      attending({ workgroups: tiles }, {
        job: {
          ...{ folded: queryHeads / kvHeads, splits, row_tiles: rowTiles, tiles },
          ...{ rows, looking, past: capacity, kv_heads: kvHeads, scale },
          ...{ fed_capacity: fed.capacity, fed_first: fed.first },
          ...{ causal: seen.causal !== undefined, seen: seen.causal ?? 0 },
          ...{ mask_words: seen.words, past_words: seen.pastWords },
          mask_row: maskLayers === 1 ? 0 : l * rows,
        },
      });
      this.#bind("join splits", small, "join_splits", {
        ...{ gathered, weights: shares, rows_out: context, tops },
      })({ threads: looking * attended / FOUR }, {
        job: {
          ...{ ...NO_JOB, ...kept, rows: looking, splits },
          ...{ query_heads: queryHeads, head_dim: headDim },
        },
      });
      const output = multiply(`output ${l}`, layer.output, {
        ...{ input: "context", rows: count, first: looking - count },
      });
      norm(`MLP norm ${l}`, layer.mlpNorm, {
        ...{ rows: count, first, parts: output, bias: layer.output.bias },
      });
      const both = multiply(`gate and up ${l}`, layer.gateAndUp, {
        ...{ input: "normed", rows: count, first: 0 },
      });
      this.#bind(`gate ${l}`, small, "gate", {
        ...{ product, bias: layer.gateAndUp.bias, rows_out: activated, tops },
      })({ threads: count * intermediate / FOUR }, {
        job: {
          ...NO_JOB,
          ...kept,
          ...{ rows: count, width: intermediate / FOUR, parts: both },
          has_bias: layer.gateAndUp.bias !== undefined,
        },
      });
      const down = multiply(`down ${l}`, layer.down, {
        ...{ input: "activated", rows: count, first: 0 },
      });
      const next = weights.layers[l + 1]?.attentionNorm ?? weights.finalNorm;
      norm(`next norm ${l}`, next, {
        ...{ rows: count, first, parts: down, bias: layer.down.bias },
      });
    }
    multiply("head", weights.head, { input: "normed", rows: logits, first: 0, into: logitsOut });
    return { buffer: logitsOut, stride };
  }

  /** Launches a product; returns its parts. */
  #product(name: string, linear: Linear, factor: LeftFactor): number {
    const { buffer, rows, first, product, tops, topsAt, whole } = factor;
    const plan = productPlan(linear, rows, this.weights.halves, whole);
    const { tile, rowTiles, columnTiles, split, parts, outWidth } = plan;
    const { halves } = PRODUCT_TILES[tile]!;
    const tiles = rowTiles * columnTiles * parts;
    this.#bind(`${name}, ${tile}`, this.#products[tile]!, "multiply", {
      ...{ rows_in: buffer, matrix: linear.matrix, product },
      ...(halves ? { tops } : {}),
    })({ workgroups: tiles }, {
      job: {
        ...{ rows, columns: linear.rows, out_width: outWidth, first_row: first, tiles },
        ...{ inner: linear.columns / FOUR, split: split / FOUR },
        ...{ row_tiles: rowTiles, column_tiles: columnTiles },
        ...(halves ? { tops_at: topsAt } : {}),
      },
    });
    return parts;
  }

  /** How attention of so many fed tokens is computed. */
  #attentionPlan(rows: number, entries: number, mostSplits?: number) {
    const { device } = this.#bench;
    const { headDim } = this.#shape;
    const memory = device.limits.maxComputeWorkgroupStorageSize;
    const plan = attentionPlan(this.#shape, rows, entries, memory, mostSplits);
    let kernels = this.#attentions.get(plan.tile);
    if (kernels === undefined) {
      kernels = Kernels.of(device, "attention", [attentionText(plan.tile, headDim)]);
      this.#attentions.set(plan.tile, kernels);
    }
    return { kernels, ...plan };
  }

  /** A kernel over some buffers: bound as the last time under this name where they are the same. */
  #bind(
    name: string,
    kernels: Kernels,
    entryPoint: string,
    buffers: Readonly<Record<string, GPUBuffer | undefined>>,
  ): BoundKernel {
    const last = this.#bound.get(name);
    const isSame = last?.kernels === kernels &&
      Object.keys(buffers).every((variable) => last.buffers[variable] === buffers[variable]);
    if (isSame) return last.bound;
    const bound = kernels.bind(entryPoint, buffers);
    this.#bound.set(name, { kernels, buffers, bound });
    return bound;
  }

  /** A buffer that stays, with room for so many words. */
  #room(name: string, words: number): GPUBuffer {
    const kept = this.#scratch.get(name);
    const bytes = Uint32Array.BYTES_PER_ELEMENT * words;
    if (kept !== undefined && kept.size >= bytes) return kept;
    if (kept !== undefined) this.#bench.free(kept);
    const larger = this.#bench.buffer(name, Math.ceil(words));
    this.#scratch.set(name, larger);
    return larger;
  }

  /** What is bound where a kernel could write and does not. */
  get #unused(): GPUBuffer {
    return this.#room("unused", 1);
  }

  /** Frees weights and all else. */
  close(): void {
    const { embedding, finalNorm, head, layers } = this.weights;
    const own = [embedding, finalNorm, ...(head.matrix === embedding ? [] : [head.matrix])];
    for (const { attentionNorm, mlpNorm, headNorms, ...linears } of layers) {
      own.push(attentionNorm, mlpNorm, ...(headNorms === undefined ? [] : [headNorms]));
      for (const { matrix, bias } of Object.values(linears)) {
        own.push(matrix, ...(bias === undefined ? [] : [bias]));
      }
    }
    this.#bench.free(...own, ...this.#scratch.values());
    this.#scratch.clear();
    this.#bound.clear();
  }
}

/** Checks that rows are made of fours. */
function checkFours({ shape, config }: Pick<Model, "shape" | "config">): void {
  const sizes = {
    "a residual stream": shape.hidden,
    "heads": shape.headDim,
    "an MLP": config.intermediate,
  };
  for (const [what, size] of Object.entries(sizes)) {
    if (size % FOUR !== 0) {
      throw new UserError(
        `On a GPU ${what} of ${size} channels cannot be computed, only of a multiple of ${FOUR}; use --device cpu`,
      );
    }
  }
}
