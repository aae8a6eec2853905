/**
 * An engine whose tensors are a fixed function of layer, head, token id and position: for tests of
 * what is done with a model's tensors, where the model itself does not matter.
 */
import type { Backend, CpuTensor, KvShape } from "../../quant/tensor.ts";
import type {
  Engine,
  ForwardInput,
  ForwardOutput,
  LayerOutput,
  ModelShape,
} from "../../engine/engine.ts";
import { plainRotary, rotaryTables } from "../../engine/rotary.ts";

/** The part of the CPU backend that running tokens needs. */
const backend = {
  name: "cpu",
  alloc: ({ heads, capacity, headDim }: KvShape): CpuTensor => ({
    heads,
    capacity,
    headDim,
    data: new Float32Array(heads * capacity * headDim),
  }),
  upload: (data: Float32Array<ArrayBuffer>, { heads, capacity, headDim }: KvShape): CpuTensor => ({
    heads,
    capacity,
    headDim,
    data,
  }),
  copy(source: CpuTensor, from: number, count: number, target: CpuTensor, at: number): void {
    const { headDim } = source;
    for (let head = 0; head < source.heads; head++) {
      const first = (head * source.capacity + from) * headDim;
      target.data.set(
        source.data.subarray(first, first + count * headDim),
        (head * target.capacity + at) * headDim,
      );
    }
  },
  read: (tensor: CpuTensor) => Promise.resolve(tensor.data),
  together: <R>(body: () => R): R => body(),
  free: () => {},
} as unknown as Backend<CpuTensor>;

/** Tensors an engine computes for a token. */
export type RowKind = "preRopeKey" | "key" | "value" | "preRopeQuery" | "query";

const KIND_SEEDS: Record<RowKind, number> = {
  preRopeKey: 1,
  key: 1,
  value: 2,
  preRopeQuery: 3,
  query: 3,
};

/** See the module. */
export class SyntheticEngine implements Engine<CpuTensor> {
  readonly device = "cpu";
  readonly fingerprint = "synthetic";
  readonly backend = backend;
  readonly shape: ModelShape;
  /** How often `forward` was called. */
  runs = 0;
  readonly #rope: { cos: Float32Array; sin: Float32Array };

  constructor(shape: Partial<ModelShape> = {}) {
    this.shape = {
      layers: 2,
      hidden: 32,
      queryHeads: 4,
      kvHeads: 2,
      headDim: 8,
      vocab: 10,
      maxPositions: 64,
      rotary: plainRotary(shape.headDim ?? 8, 100),
      ...shape,
    };
    this.#rope = rotaryTables(this.shape.maxPositions, this.shape.rotary);
  }

  /** The `headDim` entries of one head and token; keys and queries are rotated unless `preRope…`. */
  row(kind: RowKind, layer: number, head: number, id: number, position: number): Float32Array {
    const { headDim } = this.shape;
    const row = new Float32Array(headDim);
    for (let i = 0; i < headDim; i++) {
      // Keys and queries of a real model depend on what came before; position stands in for that.
      const phase = 1 + id * 12.9898 + position * 0.7 + layer * 78.233 + head * 37.719 + i * 4.1 +
        KIND_SEEDS[kind] * 3.3;
      const hashed = Math.sin(phase) * 43758.5453;
      row[i] = 4 * (hashed - Math.floor(hashed)) - 2 + (i % 3);
    }
    if (kind === "key" || kind === "query") {
      const half = headDim / 2;
      for (let i = 0; i < half; i++) {
        const c = this.#rope.cos[position * half + i]!;
        const s = this.#rope.sin[position * half + i]!;
        const [a, b] = [row[i]!, row[half + i]!];
        row[i] = a * c - b * s;
        row[half + i] = b * c + a * s;
      }
    }
    return row;
  }

  forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    this.runs++;
    const { layers, kvHeads, queryHeads, headDim, vocab } = this.shape;
    const capacity = input.ids.length;
    const tensor = (kind: RowKind, layer: number, heads: number): CpuTensor => {
      const data = new Float32Array(heads * capacity * headDim);
      for (let head = 0; head < heads; head++) {
        for (let t = 0; t < capacity; t++) {
          const row = this.row(kind, layer, head, input.ids[t]!, input.positions[t]!);
          data.set(row, (head * capacity + t) * headDim);
        }
      }
      return { heads, capacity, headDim, data };
    };
    const outputs = input.outputs === undefined || input.outputs === "none"
      ? []
      : Array.from({ length: layers }, (_, layer): LayerOutput<CpuTensor> => ({
        key: tensor("key", layer, kvHeads),
        value: tensor("value", layer, kvHeads),
        ...(input.outputs === "all"
          ? {
            preRopeKey: tensor("preRopeKey", layer, kvHeads),
            query: tensor("query", layer, queryHeads),
          }
          : {}),
      }));
    return Promise.resolve({ logits: new Float32Array(input.logits * vocab), layers: outputs });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
