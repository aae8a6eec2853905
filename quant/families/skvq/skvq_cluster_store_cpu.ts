/**
 * The packed cache of `skvq` with rearranged channels, in host memory: the channels of all heads of
 * a token in the calibrated order, multiplied by their factors, grouped by cluster.
 *
 * @module
 */
import { scaleOf, zeroOf } from "../../stores/affine/affine_group.ts";
import { affineRange } from "../../stores/affine/affine_settings.ts";
import { packRow, unpackRow } from "../../packing/bit_packing.ts";
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { loadParameters, parameterWords, storeParameters } from "../../packing/parameters.ts";
import { channelOrder } from "./skvq_calibrate.ts";
import { clusterBuffers, clusterTokenWords } from "./skvq_cluster_buffers.ts";
import type { ChannelOrder, SkvqSettings } from "./skvq_settings.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import { usedContents } from "../../packing/used_contents.ts";

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Steps that any integer holds and no code reaches. */
const FAR = 1 << 20;

/** Largest finite float32, beyond which a factor may carry an entry. */
const LARGEST = 3.4028234663852886e38;

/** Store of `skvq` over host tensors. `grow` throws at once on non-finite input. */
export class SkvqClusterStoreCpu implements Store<CpuTensor> {
  readonly #source: Source<CpuTensor>;
  readonly #settings: SkvqSettings;
  readonly #channels: ChannelOrder;
  readonly #count: number;
  readonly #tokenWords: number;
  readonly #codes: Uint32Array<ArrayBuffer>;
  readonly #parameters: Uint32Array<ArrayBuffer>;
  readonly #row: Float32Array;
  readonly #rowCodes: Int32Array;
  readonly #scales: Float32Array;
  readonly #zeros: Float32Array;
  #quantized: TokenRange;
  #tokens = 0;
  #length = 0;

  constructor(source: Source<CpuTensor>, settings: SkvqSettings, tokens: number) {
    const { heads, headDim } = source.tensor;
    this.#source = source;
    this.#settings = settings;
    this.#count = heads * headDim;
    this.#channels = channelOrder(settings, this.#count);
    this.#tokenWords = clusterTokenWords(settings, this.#count);
    const range = affineRange(settings, tokens);
    const room = range.to - range.from;
    this.#codes = new Uint32Array(room * this.#tokenWords);
    this.#parameters = new Uint32Array(parameterWords(settings.paramDtype, room * settings.groups));
    this.#row = new Float32Array(this.#count);
    this.#rowCodes = new Int32Array(this.#count);
    this.#scales = new Float32Array(settings.groups);
    this.#zeros = new Float32Array(settings.groups);
    this.#quantized = affineRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const range = affineRange(this.#settings, n);
    const offsets = this.#offsets(this.#source.tensor);
    for (; this.#tokens < range.to - range.from; this.#tokens++) {
      this.#quantizeToken(this.#tokens, range.from + this.#tokens, offsets);
    }
    this.#quantized = range;
    this.#length = n;
  }

  restore(target: CpuTensor): void {
    const { groups, paramDtype, bits, smoothing } = this.#settings;
    const { order, starts, factors } = this.#channels;
    const offsets = this.#offsets(target);
    const data = target.data;
    const codes = this.#rowCodes;
    for (let unit = 0; unit < this.#tokens; unit++) {
      const base = (this.#quantized.from + unit) * target.headDim;
      const first = unit * groups;
      loadParameters(paramDtype, this.#parameters, first, groups, this.#scales, this.#zeros);
      unpackRow(this.#codes, unit * this.#tokenWords, this.#count, bits[0]!, codes);
      for (let group = 0; group < groups; group++) {
        const scale = this.#scales[group]!;
        const zero = this.#zeros[group]!;
        const end = starts[group + 1]!;
        for (let i = starts[group]!; i < end; i++) {
          data[base + offsets[i]!] = Math.fround(codes[i]! * scale) + zero;
        }
      }
      for (let i = 0; smoothing && i < codes.length; i++) {
        data[base + offsets[i]!]! /= factors[order[i]!]!;
      }
    }
  }

  constants(): readonly ConstantBuffer[] {
    const { order, starts, factors } = this.#channels;
    return Object.entries({ order, starts, factors }).map(([role, memory]) => ({ role, memory }));
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { from, to } = affineRange(this.#settings, n);
    return clusterBuffers(this.#settings, this.#count, to - from);
  }

  contents(): Promise<readonly BufferContents[]> {
    const words = { codes: this.#codes, scale_zero: this.#parameters };
    return Promise.resolve(usedContents(this.buffers(this.#length), words));
  }

  free(): void {}

  /** Index of the channel at each place, relative to its token's first channel of head 0. */
  #offsets({ capacity, headDim }: CpuTensor): Int32Array {
    return this.#channels.order.map(
      (channel) => Math.floor(channel / headDim) * capacity * headDim + channel % headDim,
    );
  }

  #quantizeToken(unit: number, token: number, offsets: Int32Array): void {
    const { tensor } = this.#source;
    const { groups, paramDtype, bits, topCodes, smoothing } = this.#settings;
    const { order, starts, factors } = this.#channels;
    const row = this.#row;
    const base = token * tensor.headDim;
    let sum = 0;
    const data = tensor.data;
    for (let i = 0; i < row.length; i++) {
      const x = data[base + offsets[i]!]!;
      row[i] = x;
      sum += x;
    }
    // A double cannot overflow by adding float32 values, so the sum tells whether all are finite.
    if (sum - sum !== 0) throwNotFinite(this.#source, tensor, token, token + 1);
    for (let i = 0; smoothing && i < row.length; i++) {
      const scaled = row[i]! * factors[order[i]!]!;
      row[i] = scaled > LARGEST ? LARGEST : scaled < -LARGEST ? -LARGEST : scaled;
    }
    const topCode = topCodes[0]!;
    const codes = this.#rowCodes;
    for (let group = 0; group < groups; group++) {
      const [first, end] = [starts[group]!, starts[group + 1]!];
      let low = Infinity, high = -Infinity;
      for (let i = first; i < end; i++) {
        const x = row[i]!;
        if (x < low) low = x;
        if (x > high) high = x;
      }
      // No channel may have fallen into a cluster.
      if (first === end) low = high = 0;
      const zero = zeroOf(low, this.#settings);
      const scale = scaleOf(zero, high, topCode, this.#settings);
      this.#zeros[group] = zero;
      this.#scales[group] = scale;
      const inverse = 1 / scale;
      for (let i = first; i < end; i++) {
        let steps = Math.fround(Math.fround(row[i]! - zero) * inverse);
        // Clipping can push a nearly constant group any number of scale floors away.
        if (steps > FAR) steps = FAR;
        if (steps < -FAR) steps = -FAR;
        const code = (steps + ROUND - ROUND) | 0;
        // Integer minima and maxima compile to conditional moves; clipped ends saturate often.
        codes[i] = Math.min(Math.max(code, 0), topCode);
      }
    }
    packRow(codes, this.#count, bits[0]!, this.#codes, unit * this.#tokenWords);
    const at = unit * groups;
    storeParameters(paramDtype, this.#scales, this.#zeros, groups, this.#parameters, at);
  }
}
