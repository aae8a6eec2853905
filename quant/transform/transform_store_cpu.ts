/**
 * The packed cache of `transform` in host memory: the reference implementation.
 *
 * @module
 */
import type { BufferContents, Source, Store, StoredBuffer } from "../family.ts";
import { throwNotFinite } from "../finite_input.ts";
import { fromHalfBits, HALF_MAX, toHalfBits } from "../packing/half.ts";
import { paddedTo4, rowsTimesColumns } from "../numerics/rows_times_columns.ts";
import { nearestLevel } from "../numerics/scalar_codebook.ts";
import type { CpuTensor, TokenRange } from "../tensor.ts";
import { EXACT, transformRange, type TransformSettings } from "./transform.ts";
import {
  RANGE_BITS,
  rowsWords,
  type TransformBlock,
  transformBuffers,
  type TransformLayout,
  transformLayout,
} from "./transform_layout.ts";

/** Smallest normal float32, so that the GPU divides by the same number. */
const SMALLEST = 1.1754943508222875e-38;

/** Tokens that go through a matrix at a time; even. */
const TILE = 64;

/** Matrices of one block in the form the product wants: every side padded to a multiple of 4. */
interface BlockMatrices {
  /** Padded number of coded components, and of channels. */
  readonly coded: number;
  readonly channels: number;
  /** `[coded][channels]`. */
  readonly forward: Float32Array;
  /** `[channels][coded]`. */
  readonly inverse: Float32Array;
  /** Midpoints between neighbouring levels, `2^width - 1` of every component at its level offset. */
  readonly midpoints: Float64Array;
  /** Standard deviation of each coded component, never 0. */
  readonly deviations: Float64Array;
}

/** What follows from settings alone; every example's store shares it. */
interface Prepared {
  readonly layout: TransformLayout;
  readonly matrices: readonly BlockMatrices[];
}

const prepared = new WeakMap<TransformSettings, Prepared>();

function prepare(settings: TransformSettings): Prepared {
  let known = prepared.get(settings);
  if (known === undefined) {
    const layout = transformLayout(settings);
    known = {
      layout,
      matrices: layout.blocks.map((block) => blockMatrices(layout, block, settings)),
    };
    prepared.set(settings, known);
  }
  return known;
}

function blockMatrices(
  layout: TransformLayout,
  block: TransformBlock,
  { headDim }: TransformSettings,
): BlockMatrices {
  const { components } = block;
  const base = block.firstHead * headDim * block.channels;
  const coded = paddedTo4(components.length);
  const channels = paddedTo4(block.channels);
  const forward = new Float32Array(coded * channels);
  const inverse = new Float32Array(channels * coded);
  components.forEach((component, k) => {
    for (let c = 0; c < block.channels; c++) {
      forward[k * channels + c] = layout.forward[base + component * block.channels + c]!;
      inverse[c * coded + k] = layout.inverse[base + component * block.channels + c]!;
    }
  });
  const midpoints = new Float64Array(layout.levels.length);
  block.levels.forEach((at, k) => {
    if (block.widths[k] === EXACT) return;
    for (let i = 0; i + 1 < 2 ** block.widths[k]!; i++) {
      midpoints[at + i] = (layout.levels[at + i]! + layout.levels[at + i + 1]!) / 2;
    }
  });
  const deviations = Float64Array.from(
    components,
    (i) => Math.max(layout.deviations[block.firstHead * headDim + i]!, SMALLEST),
  );
  return { coded, channels, forward, inverse, midpoints, deviations };
}

/** Store of `transform` over host tensors. `grow` throws at once on non-finite input. */
export class TransformStoreCpu implements Store<CpuTensor> {
  readonly #source: Source<CpuTensor>;
  readonly #settings: TransformSettings;
  readonly #prepared: Prepared;
  /** Rows of ranges and codes. */
  readonly #rows: Uint32Array<ArrayBuffer>;
  #quantized: TokenRange;

  constructor(source: Source<CpuTensor>, settings: TransformSettings, tokens: number) {
    this.#source = source;
    this.#settings = settings;
    this.#prepared = prepare(settings);
    const range = transformRange(settings, tokens);
    this.#rows = new Uint32Array(rowsWords(range.to - range.from, this.#prepared.layout.rowBits));
    this.#quantized = transformRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const range = transformRange(this.#settings, n);
    const start = Math.max(range.from, this.#quantized.to);
    const { layout, matrices } = this.#prepared;
    for (const [b, block] of layout.blocks.entries()) {
      for (let token = start; token < range.to; token += TILE) {
        const count = Math.min(TILE, range.to - token);
        if (!this.#quantizeTile(b, block, matrices[b]!, token, count, range.from)) {
          throwNotFinite(this.#source, this.#input, token, token + count);
        }
      }
    }
    this.#quantized = range;
  }

  restore(target: CpuTensor): void {
    const { layout, matrices } = this.#prepared;
    const { from, to } = this.#quantized;
    for (const [b, block] of layout.blocks.entries()) {
      for (let token = from; token < to; token += TILE) {
        this.#restoreTile(b, block, matrices[b]!, token, Math.min(TILE, to - token), target);
      }
    }
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    const range = transformRange(this.#settings, n);
    return transformBuffers(this.#settings, this.#prepared.layout.rowBits, range);
  }

  contents(): Promise<readonly BufferContents[]> {
    return Promise.resolve([{ role: "rows", words: this.#rows }]);
  }

  free(): void {}

  /** The tensor that is coded: keys before RoPE, or values. */
  get #input(): CpuTensor {
    return this.#settings.kind === "key" ? this.#source.preRope! : this.#source.tensor;
  }

  #quantizeTile(
    index: number,
    block: TransformBlock,
    { coded: stride, channels, forward, midpoints, deviations }: BlockMatrices,
    token: number,
    count: number,
    firstToken: number,
  ): boolean {
    const { data, capacity, headDim } = this.#input;
    const { mean, rowBits } = this.#prepared.layout;
    const { components, widths, bits, levels } = block;
    const rows = new Float32Array(TILE * channels);
    let sum = 0;
    for (let h = 0; h < block.heads; h++) {
      const channel = (block.firstHead + h) * headDim;
      for (let t = 0; t < count; t++) {
        const from = ((block.firstHead + h) * capacity + token + t) * headDim;
        const to = t * channels + h * headDim;
        for (let d = 0; d < headDim; d++) {
          const x = data[from + d]!;
          sum += x * 0;
          rows[to + d] = x - mean[channel + d]!;
        }
      }
    }
    // 0 times anything finite is 0.
    if (sum !== 0) return false;
    const coded = components.length;
    const values = new Float32Array(TILE * stride);
    // A last odd row meets one of zeros.
    const evenCount = count + count % 2;
    rowsTimesColumns(rows, evenCount, forward, stride, channels, values);
    // Entries near the end of the float32 range may overflow on the way; a code must still come out.
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (!(Math.abs(value) <= HALF_MAX)) {
        values[i] = value > 0 ? HALF_MAX : value < 0 ? -HALF_MAX : 0;
      }
    }
    const words = this.#rows;
    const ranged = this.#settings.levels === "token";
    for (let t = 0; t < count; t++) {
      const base = (token + t - firstToken) * rowBits;
      let range = 1;
      if (ranged) {
        range = 0;
        for (let k = 0; k < coded; k++) {
          if (widths[k] === EXACT) continue;
          range = Math.max(range, Math.abs(values[t * stride + k]! / deviations[k]!));
        }
        const half = toHalfBits(range);
        writeBits(words, base + RANGE_BITS * index, half, RANGE_BITS);
        range = fromHalfBits(half);
      }
      for (let k = 0; k < coded; k++) {
        const width = widths[k]!;
        let value = values[t * stride + k]!;
        if (ranged && width !== EXACT) value = range === 0 ? 0 : value / (deviations[k]! * range);
        const code = width === EXACT
          ? toHalfBits(value)
          : nearestLevel(midpoints, levels[k]!, 1 << width, value);
        writeBits(words, base + bits[k]!, code, width);
      }
    }
    return true;
  }

  #restoreTile(
    index: number,
    block: TransformBlock,
    { coded: stride, channels, inverse, deviations }: BlockMatrices,
    token: number,
    count: number,
    target: CpuTensor,
  ): void {
    const { mean, rowBits, levels: levelValues } = this.#prepared.layout;
    const { components, widths, bits, levels } = block;
    const coded = components.length;
    const values = new Float32Array(TILE * stride);
    const words = this.#rows;
    const ranged = this.#settings.levels === "token";
    for (let t = 0; t < count; t++) {
      const base = (token + t - this.#quantized.from) * rowBits;
      let range = 1;
      if (ranged) {
        range = fromHalfBits(readBits(words, base + RANGE_BITS * index, RANGE_BITS));
      }
      for (let k = 0; k < coded; k++) {
        const code = readBits(words, base + bits[k]!, widths[k]!);
        if (widths[k] === EXACT) {
          values[t * stride + k] = fromHalfBits(code);
          continue;
        }
        const level = levelValues[levels[k]! + code]!;
        values[t * stride + k] = ranged ? level * range * deviations[k]! : level;
      }
    }
    const rows = new Float32Array(TILE * channels);
    const evenCount = count + count % 2;
    rowsTimesColumns(values, evenCount, inverse, channels, stride, rows);
    const { headDim } = this.#settings;
    const rope = this.#settings.kind === "key" ? this.#source.rope : undefined;
    const half = headDim / 2;
    for (let h = 0; h < block.heads; h++) {
      const channel = (block.firstHead + h) * headDim;
      for (let t = 0; t < count; t++) {
        const from = t * channels + h * headDim;
        const to = ((block.firstHead + h) * target.capacity + token + t) * headDim;
        if (rope === undefined) {
          for (let d = 0; d < headDim; d++) {
            target.data[to + d] = rows[from + d]! + mean[channel + d]!;
          }
          continue;
        }
        const angle = (token + t) * half;
        for (let d = 0; d < half; d++) {
          const a = rows[from + d]! + mean[channel + d]!;
          const b = rows[from + half + d]! + mean[channel + half + d]!;
          const c = rope.cos.data[angle + d]!;
          const s = rope.sin.data[angle + d]!;
          target.data[to + d] = a * c - b * s;
          target.data[to + half + d] = b * c + a * s;
        }
      }
    }
  }
}

/** Sets `width` (1..16) bits at bit `at` of words that are zero there. */
function writeBits(words: Uint32Array, at: number, code: number, width: number): void {
  const index = Math.floor(at / 32);
  const shift = at & 31;
  words[index] = words[index]! | code << shift;
  if (shift + width > 32) words[index + 1] = words[index + 1]! | code >>> (32 - shift);
}

function readBits(words: Uint32Array, at: number, width: number): number {
  const index = Math.floor(at / 32);
  const shift = at & 31;
  let code = words[index]! >>> shift;
  if (shift + width > 32) code |= words[index + 1]! << (32 - shift);
  return code & ((1 << width) - 1);
}
