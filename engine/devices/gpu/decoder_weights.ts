/**
 * The weights of a decoder in buffers of a device.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import type { Workbench } from "../../../quant/gpu/workbench.ts";
import { readValues, valueBlocks, valueCount } from "../../checkpoint/stored_blocks.ts";
import type { Model } from "../../checkpoint/model.ts";
import { Kernels } from "../../../quant/gpu/kernels.ts";
import pack from "../../../quant/packing/pack.wgsl" with { type: "text" };
import type { StoredTensor } from "../../checkpoint/checkpoint.ts";
import { tensorOf } from "../weight_values.ts";
import { FLOAT_BYTES, type FloatName } from "./float_words.ts";
import { LARGEST_WEIGHT } from "./half_product_text.ts";
import weightsText from "./weights.wgsl" with { type: "text" };

/** Numbers that lie together. */
const FOUR = 4;

/** Bytes of what is brought at once at most; a block of few bits a value takes more in float32. */
const MOST_BROUGHT = 2 ** 25;

/** Bytes that may be on their way at once: a driver holds a copy of what is not there yet. */
const MOST_UNDER_WAY = 2 ** 27;

/** A matrix of so many rows, and what is added to its product. */
export interface Linear {
  readonly matrix: GPUBuffer;
  readonly bias?: GPUBuffer;
  readonly rows: number;
  readonly columns: number;
}

/** The weights of a layer. */
export interface LayerWeights {
  readonly attentionNorm: GPUBuffer;
  /** To queries, keys and values, below each other. */
  readonly projections: Linear;
  /** Weights of the norms of a query's and of a key's heads, one behind the other. */
  readonly headNorms?: GPUBuffer;
  readonly output: Linear;
  readonly mlpNorm: GPUBuffer;
  /** Gate, and below it up. */
  readonly gateAndUp: Linear;
  readonly down: Linear;
}

/** All weights: matrices in the precision, the rest in float32. */
export interface DecoderWeights {
  readonly embedding: GPUBuffer;
  readonly layers: readonly LayerWeights[];
  readonly finalNorm: GPUBuffer;
  readonly head: Linear;
  /** Numbers that float16 does not hold; they became its largest. */
  readonly saturated: number;
  /** Whether products can be gathered in float16: that is the precision, and no weight is too large. */
  readonly halves: boolean;
}

/** Brings the weights of a model to a device. */
export async function uploadWeights(
  bench: Workbench,
  model: Model,
  precision: FloatName,
): Promise<DecoderWeights> {
  return await new Upload(bench, model, precision).all();
}

class Upload {
  readonly #kernels: Kernels;
  /** What came last, still as it is stored. */
  readonly #brought: GPUBuffer;
  readonly #counts: GPUBuffer;
  #underWay = 0;

  constructor(
    private readonly bench: Workbench,
    private readonly model: Model,
    private readonly precision: FloatName,
  ) {
    this.#kernels = Kernels.of(bench.device, "weights", [pack, weightsText]);
    this.#brought = bench.buffer("brought", MOST_BROUGHT / Uint32Array.BYTES_PER_ELEMENT);
    this.#counts = bench.buffer("counts", 2);
  }

  async all(): Promise<DecoderWeights> {
    const { shape, config: { parts, intermediate, tiedEmbeddings } } = this.model;
    const { layers, hidden, vocab, queryHeads, kvHeads, headDim } = shape;
    const { names, attentionBias, outputBias, mlpBias, headNorms } = parts;
    const embedding = await this.#linear("", [names.embedding], [vocab, hidden], false);
    const all: LayerWeights[] = [];
    for (let l = 0; l < layers; l++) {
      const at = `${names.layers}.${l}.`;
      const linear = (
        modules: readonly string[],
        rows: number,
        columns: number,
        bias: boolean,
      ) => this.#linear(at, modules, [rows, columns], bias);
      const attended = queryHeads * headDim;
      all.push({
        attentionNorm: await this.#floats(`${at}${names.attentionNorm}.weight`),
        projections: await linear(
          [names.query, names.key, names.value],
          attended + 2 * kvHeads * headDim,
          hidden,
          attentionBias,
        ),
        ...(headNorms
          ? {
            headNorms: await this.#floats(
              `${at}${names.queryNorm}.weight`,
              `${at}${names.keyNorm}.weight`,
            ),
          }
          : {}),
        output: await linear([names.output], hidden, attended, outputBias),
        mlpNorm: await this.#floats(`${at}${names.mlpNorm}.weight`),
        gateAndUp: await linear([names.gate, names.up], 2 * intermediate, hidden, mlpBias),
        down: await linear([names.down], hidden, intermediate, mlpBias),
      });
    }
    return {
      embedding: embedding.matrix,
      layers: all,
      finalNorm: await this.#floats(`${names.finalNorm}.weight`),
      head: tiedEmbeddings
        ? embedding
        : await this.#linear("", [names.head], [vocab, hidden], false),
      ...await this.#finished(),
    };
  }

  /** What was seen of the weights, now that all are there. */
  async #finished(): Promise<Pick<DecoderWeights, "saturated" | "halves">> {
    const { bench, precision } = this;
    const [saturated, large] = await bench.read([{ buffer: this.#counts, at: 0, words: 2 }]);
    bench.free(this.#brought, this.#counts);
    return { saturated: saturated!, halves: precision === "float16" && large === 0 };
  }

  async #linear(
    at: string,
    modules: readonly string[],
    [rows, columns]: readonly [rows: number, columns: number],
    bias: boolean,
  ): Promise<Linear> {
    const { bench, precision } = this;
    const number = FLOAT_BYTES[precision];
    const bytes = number * rows * columns;
    const largest = bench.largestBinding;
    if (bytes > largest) {
      throw new UserError(
        `Weight ${at}${
          modules.join("+")
        } takes ${bytes} bytes, and this GPU has none of more than ${largest}; use --device cpu`,
      );
    }
    const matrix = bench.buffer("weight", bytes / Uint32Array.BYTES_PER_ELEMENT);
    let first = 0;
    for (const module of modules) {
      first = await this.#bring(this.#tensor(`${at}${module}.weight`), matrix, first);
    }
    const biases = modules.map((module) => `${at}${module}.bias`);
    return { matrix, rows, columns, ...(bias ? { bias: await this.#floats(...biases) } : {}) };
  }

  /** Brings a tensor to the place of a number in a matrix; returns the place behind it. */
  async #bring(tensor: StoredTensor, matrix: GPUBuffer, at: number): Promise<number> {
    const { precision } = this;
    const halves = precision === "float16";
    let first = at;
    if (tensor.dtype === "BF16" && tensor.inOrder === true) {
      // As it is: a device turns numbers in no time.
      const kernel = halves ? "brain_floats_to_halves" : "brain_floats_to_floats";
      for await (const block of tensor.blocks()) {
        await this.#write(this.#brought, 0, block);
        first = this.#turn(kernel, matrix, first, block.length / 2);
      }
      return first;
    }
    const most = MOST_BROUGHT / Float32Array.BYTES_PER_ELEMENT;
    for await (const block of valueBlocks(tensor)) {
      if (!halves) {
        await this.#write(matrix, Float32Array.BYTES_PER_ELEMENT * first, block);
        first += block.length;
        continue;
      }
      for (let from = 0; from < block.length; from += most) {
        const piece = block.subarray(from, from + most);
        await this.#write(this.#brought, 0, piece);
        first = this.#turn("floats_to_halves", matrix, first, piece.length);
      }
    }
    return first;
  }

  async #write(
    buffer: GPUBuffer,
    at: number,
    data: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    this.bench.write(buffer, at, data);
    this.#underWay += data.byteLength;
    if (this.#underWay < MOST_UNDER_WAY) return;
    this.#underWay = 0;
    const { queue } = this.bench.device;
    queue.submit([]);
    await queue.onSubmittedWorkDone();
  }

  #turn(kernel: string, matrix: GPUBuffer, first: number, numbers: number): number {
    const count = numbers / FOUR;
    this.#kernels.run(kernel, { threads: count }, {
      job: { count, first: first / FOUR, largest: LARGEST_WEIGHT },
      brain_floats: this.#brought,
      floats: this.#brought,
      floats_out: matrix,
      halves_out: matrix,
      counts: this.#counts,
    });
    return first + numbers;
  }

  /** Tensors behind each other, in float32. */
  async #floats(...names: readonly string[]): Promise<GPUBuffer> {
    const tensors = names.map((name) => this.#tensor(name));
    const values = new Float32Array(tensors.reduce((sum, tensor) => sum + valueCount(tensor), 0));
    let to = 0;
    for (const tensor of tensors) {
      await readValues(tensor, values.subarray(to, to += valueCount(tensor)));
    }
    return this.bench.buffer("weight", values);
  }

  #tensor(name: string) {
    return tensorOf(this.model.tensors, name);
  }
}
