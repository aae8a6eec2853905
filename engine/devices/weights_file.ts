/**
 * The weights of a graph as one file. onnxruntime maps it instead of copying it: a weight is in memory
 * while something reads it, and once its packed copy is made nothing does.
 *
 * @module
 */
import { basename } from "node:path";
import type { BuiltGraph, WeightPlace } from "../onnx/graph_builder.ts";
import { type Tensors, weightBlocks } from "./weight_values.ts";

/** A file that holds weights. */
export interface WeightsFile extends AsyncDisposable {
  readonly path: string;
  /** Its byte at which the weights start, a multiple of 64. */
  readonly start: number;
}

/** Where files of weights are kept. */
export interface WeightsPlace {
  /**
   * A file with some weights, which is made when it is not there. A file that is there is there as a
   * whole.
   *
   * @param key hash of all that the weights depend on
   * @param bytes size of the weights
   * @param blocks the weights, when they must be written
   * @returns undefined where they cannot be kept
   */
  file(
    key: string,
    bytes: number,
    blocks: () => AsyncIterable<Uint8Array>,
  ): Promise<WeightsFile | undefined>;
}

/** Weights start at multiples of so many bytes, pages of their own that go when they go. */
const PAGE = 4096;

/** Where each weight is in a file, and how large all are. */
export class WeightsLayout {
  readonly #offsets = new Map<string, number>();
  /** Size of all, with what lies between them. */
  readonly bytes: number;

  constructor(private readonly graph: BuiltGraph) {
    let at = 0;
    for (const { name, bytes, sharedWith } of graph.weights) {
      if (sharedWith !== undefined) {
        this.#offsets.set(name, this.#offsets.get(sharedWith)!);
        continue;
      }
      this.#offsets.set(name, at);
      at += Math.ceil(bytes / PAGE) * PAGE;
    }
    this.bytes = at;
  }

  /** What a file holds. */
  async *blocks(tensors: Tensors): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (const weight of this.graph.weights) {
      if (weight.sharedWith !== undefined) continue;
      yield* weightBlocks(weight, tensors);
      const beyond = weight.bytes % PAGE;
      if (beyond > 0) yield new Uint8Array(PAGE - beyond);
    }
  }

  /** The graph over a file that holds its weights. */
  encode({ path, start }: WeightsFile): Uint8Array<ArrayBuffer> {
    const location = basename(path);
    return this.graph.encode(({ name }): WeightPlace => ({
      location,
      offset: start + this.#offsets.get(name)!,
    }));
  }
}
