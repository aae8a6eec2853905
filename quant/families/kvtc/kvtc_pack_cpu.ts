/**
 * The packed layers of `kvtc` in host memory: the reference implementation.
 *
 * @module
 */
import type { BufferContents, ConstantBuffer, Source, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { paddedTo4, rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import { DeflatedRows } from "../../packing/deflated_rows.ts";
import { finiteHalf } from "../../packing/half.ts";
import type { LayerPack } from "../../stores/coupled/layer_pack.ts";
import { RestoredTokens } from "../../stores/coupled/restored_tokens.ts";
import { beforeRope, placeToken } from "../../stores/rope/rope_restore.ts";
import type { CpuTensor } from "../../tensor.ts";
import { blockBytes, readBlock, writeBlock } from "./component_blocks.ts";
import {
  kvtcBuffers,
  kvtcConstants,
  kvtcContents,
  type KvtcLayout,
  kvtcLayout,
} from "./kvtc_layout.ts";
import { kvtcRange, type KvtcSettings } from "./kvtc_settings.ts";

/** Tokens that go through the matrix at a time. */
const TILE = 64;

/** Matrices of constants, as the product takes them: padded, in float32. */
interface Matrices {
  /** `[stored][channels]` */
  readonly forth: Float32Array;
  /** `[channels][stored]` */
  readonly back: Float32Array;
}

const matricesOf = new WeakMap<KvtcLayout["axes"], Matrices>();

function matrices({ axes, stored, channels }: KvtcLayout): Matrices {
  let found = matricesOf.get(axes);
  if (found === undefined) {
    const [columns, width] = [paddedTo4(stored), paddedTo4(channels)];
    const forth = new Float32Array(columns * width);
    const back = new Float32Array(width * columns);
    for (let k = 0; k < stored; k++) {
      for (let c = 0; c < channels; c++) {
        forth[k * width + c] = back[c * columns + k] = axes[k * channels + c]!;
      }
    }
    matricesOf.set(axes, found = { forth, back });
  }
  return found;
}

/** See the module. `grow` throws at once on non-finite input. */
export class KvtcPackCpu implements LayerPack<CpuTensor> {
  readonly #sources: readonly Source<CpuTensor>[];
  readonly #settings: KvtcSettings;
  readonly #layout: KvtcLayout;
  readonly #rows: DeflatedRows;
  /** Of each layer. */
  readonly #restored: readonly RestoredTokens[];
  /** Components of the tokens that were decoded last, for all layers. */
  #decoded = { first: 0, count: 0, components: new Float32Array(0) };
  #to: number;

  /** @param sources of the layers that are coded together */
  constructor(sources: readonly Source<CpuTensor>[], settings: KvtcSettings) {
    this.#sources = sources;
    this.#settings = settings;
    this.#layout = kvtcLayout(settings, sources.length);
    this.#rows = new DeflatedRows(this.#layout.rowBytes);
    this.#restored = sources.map(({ tensor }) => new RestoredTokens(tensor, settings.sinkTokens));
    this.#to = settings.sinkTokens;
  }

  grow(n: number): void {
    const { to } = kvtcRange(this.#settings, n);
    for (let token = this.#to; token < to; token += TILE) {
      this.#rows.add(this.#encoded(token, Math.min(TILE, to - token)));
    }
    this.#to = Math.max(this.#to, to);
  }

  restore(layer: number, target: CpuTensor): void {
    this.#restored[layer]!.restore(this.#to, target, (first, tensor) => {
      this.#rebuild(layer, first, this.#to - first, tensor);
    });
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { from, to } = kvtcRange(this.#settings, n);
    return kvtcBuffers(this.#layout, this.#rows, to - from);
  }

  contents(): readonly BufferContents[] {
    return kvtcContents(this.#rows);
  }

  constants(): readonly ConstantBuffer[] {
    return kvtcConstants(this.#settings);
  }

  /** Rows of `count` tokens. */
  #encoded(token: number, count: number): Uint8Array {
    const { stored, channels, rowBytes, blocks, mean } = this.#layout;
    const { heads, headDim } = this.#settings;
    const [columns, width] = [paddedTo4(stored), paddedTo4(channels)];
    const vectors = new Float32Array(count * width);
    let c = 0;
    for (const source of this.#sources) {
      const { tensor: input } = beforeRope(source);
      let sum = 0;
      for (let h = 0; h < heads; h++, c += headDim) {
        for (let t = 0; t < count; t++) {
          const from = (h * input.capacity + token + t) * headDim;
          for (let d = 0; d < headDim; d++) {
            const x = input.data[from + d]!;
            sum += x * 0;
            vectors[t * width + c + d] = x - mean[c + d]!;
          }
        }
      }
      // 0 times anything finite is 0.
      if (sum !== 0) throwNotFinite(source, input, token, token + count);
    }
    const components = new Float32Array(count * columns);
    const { forth } = matrices(this.#layout);
    rowsTimesColumns(vectors, count, forth, columns, width, components);
    for (let i = 0; i < components.length; i++) components[i] = finiteHalf(components[i]!);
    const bytes = new Uint8Array(count * rowBytes);
    for (let t = 0, at = 0; t < count; t++) {
      let k = t * columns;
      for (const block of blocks) {
        writeBlock(block, components, k, bytes, at);
        k += block.size;
        at += blockBytes(block);
      }
    }
    return bytes;
  }

  /** Restores one layer's channels of tokens into a tensor. */
  #rebuild(layer: number, first: number, count: number, tensor: CpuTensor): void {
    const { stored, mean } = this.#layout;
    const { heads, headDim } = this.#settings;
    const { rope } = beforeRope(this.#sources[layer]!);
    const [columns, size] = [paddedTo4(stored), heads * headDim];
    // Only what becomes of this layer's channels.
    const back = matrices(this.#layout).back.subarray(layer * size * columns);
    // Padded columns are those of the next layer, or none; nobody reads what they give.
    const width = paddedTo4(size);
    const components = this.#components(first, count);
    const rows = new Float32Array(TILE * width);
    for (let done = 0; done < count; done += TILE) {
      const tile = Math.min(TILE, count - done);
      const own = components.subarray(done * columns);
      rowsTimesColumns(own, tile, back, width, columns, rows);
      for (let t = 0; t < tile; t++) {
        const row = rows.subarray(t * width, t * width + size);
        for (let c = 0; c < size; c++) row[c]! += mean[layer * size + c]!;
        placeToken(row, rope, first + done + t, tensor);
      }
    }
  }

  /** Components of tokens, `[tokens][columns]`, out of the stream; every layer asks for the same. */
  #components(first: number, count: number): Float32Array {
    if (this.#decoded.first === first && this.#decoded.count === count) {
      return this.#decoded.components;
    }
    const { stored, rowBytes, blocks } = this.#layout;
    const columns = paddedTo4(stored);
    const bytes = this.#rows.all();
    const components = new Float32Array(count * columns);
    for (let t = 0; t < count; t++) {
      let at = (first - this.#settings.sinkTokens + t) * rowBytes;
      let k = t * columns;
      for (const block of blocks) {
        readBlock(block, bytes, at, components, k);
        k += block.size;
        at += blockBytes(block);
      }
    }
    this.#decoded = { first, count, components };
    return components;
  }
}
