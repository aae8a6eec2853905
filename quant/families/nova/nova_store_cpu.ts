/**
 * The packed cache of `nova` in host memory: the reference implementation.
 *
 * @module
 */
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import { finiteHalf, fromHalfBits, toHalfBits } from "../../packing/half.ts";
import { RestoredTokens } from "../../stores/coupled/restored_tokens.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import { codewordsOf, nearestCodeword } from "./key_codebook.ts";
import {
  clipPlace,
  CODEWORDS,
  GROUP,
  novaBuffers,
  novaKeyTables,
  novaRange,
  type NovaSettings,
  novaTokenNumbers,
  novaTokenWords,
  novaValueTables,
} from "./nova_settings.ts";

/** One head of some tokens: its transform, there and back, and its codes. */
interface HeadCoder {
  /** `[component][channel]` */
  readonly forward: Float32Array;
  /** `[channel][component]` */
  readonly inverse: Float32Array;
  /** Taken off before and put back behind. */
  readonly mean: Float32Array;
  /** Codes the components of a token. */
  encode(row: Float32Array, codes: Uint8Array, numbers: Uint16Array): void;
  /** Components of a token. */
  decode(codes: Uint8Array, numbers: Uint16Array, row: Float32Array): void;
}

/** See the module. `grow` throws at once on non-finite input. */
export class NovaStoreCpu implements Store<CpuTensor> {
  readonly #source: Source<CpuTensor>;
  readonly #settings: NovaSettings;
  readonly #coders: readonly HeadCoder[];
  readonly #codes: Uint8Array<ArrayBuffer>;
  readonly #numbers: Uint16Array<ArrayBuffer>;
  readonly #restored: RestoredTokens;
  #quantized: TokenRange;

  constructor(source: Source<CpuTensor>, settings: NovaSettings, tokens: number) {
    this.#source = source;
    this.#settings = settings;
    this.#coders = settings.kind === "key" ? keyCoders(settings) : valueCoders(settings);
    const { from, to } = novaRange(settings, tokens);
    this.#codes = new Uint8Array(4 * (to - from) * novaTokenWords(settings));
    // In whole words, as they are counted.
    const numbers = (to - from) * novaTokenNumbers(settings);
    this.#numbers = new Uint16Array(2 * Math.ceil(numbers / 2));
    this.#restored = new RestoredTokens(source.tensor, settings.sinkTokens);
    this.#quantized = novaRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const { from, to } = novaRange(this.#settings, n);
    const first = from + this.#quantized.to - this.#quantized.from;
    this.#quantized = { from, to };
    if (to > first) this.#encode(first, to - first);
  }

  restore(target: CpuTensor): void {
    const { from, to } = this.#quantized;
    this.#restored.restore(to, target, (first, tensor) => {
      const { headDim } = this.#settings;
      const count = to - first;
      const [rows, back] = [new Float32Array(count * headDim), new Float32Array(count * headDim)];
      for (const [head, coder] of this.#coders.entries()) {
        for (let t = 0; t < count; t++) {
          const { codes, numbers } = this.#stored(first - from + t, head);
          coder.decode(codes, numbers, rows.subarray(t * headDim, (t + 1) * headDim));
        }
        rowsTimesColumns(rows, count, coder.inverse, headDim, headDim, back);
        const at = (head * tensor.capacity + first) * headDim;
        for (let i = 0; i < count * headDim; i++) {
          tensor.data[at + i] = finiteHalf(back[i]! + coder.mean[i % headDim]!);
        }
      }
    });
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { from, to } = novaRange(this.#settings, n);
    return novaBuffers(this.#settings, to - from);
  }

  contents(): Promise<readonly BufferContents[]> {
    return Promise.resolve([
      { role: "codes", words: new Uint32Array(this.#codes.buffer) },
      { role: "parameters", words: new Uint32Array(this.#numbers.buffer) },
    ]);
  }

  constants(): readonly ConstantBuffer[] {
    return Object.entries(this.#settings.calibration!).map(([role, memory]) => ({ role, memory }));
  }

  free(): void {}

  #encode(first: number, count: number): void {
    const { headDim } = this.#settings;
    const { tensor } = this.#source;
    throwNotFinite(this.#source, tensor, first, first + count);
    const [rows, out] = [new Float32Array(count * headDim), new Float32Array(count * headDim)];
    for (const [head, coder] of this.#coders.entries()) {
      const at = (head * tensor.capacity + first) * headDim;
      for (let i = 0; i < count * headDim; i++) {
        rows[i] = finiteHalf(tensor.data[at + i]!) - coder.mean[i % headDim]!;
      }
      rowsTimesColumns(rows, count, coder.forward, headDim, headDim, out);
      for (let t = 0; t < count; t++) {
        const { codes, numbers } = this.#stored(first - this.#quantized.from + t, head);
        coder.encode(out.subarray(t * headDim, (t + 1) * headDim), codes, numbers);
      }
    }
  }

  /** Where one head of a token is stored. */
  #stored(token: number, head: number) {
    const { heads, headDim } = this.#settings;
    const bytes = headDim / 4;
    const numbers = novaTokenNumbers(this.#settings) / heads;
    const place = token * heads + head;
    return {
      codes: this.#codes.subarray(place * bytes, (place + 1) * bytes),
      numbers: this.#numbers.subarray(place * numbers, (place + 1) * numbers),
    };
  }
}

function keyCoders(settings: NovaSettings): HeadCoder[] {
  const { heads, headDim } = settings;
  const { forward, inverse, mean, codebook } = novaKeyTables(settings);
  const size = headDim * headDim;
  return Array.from({ length: heads }, (_, head): HeadCoder => {
    const books = Array.from({ length: headDim / GROUP }, (_, g) => {
      const first = (head * headDim / GROUP + g) * CODEWORDS;
      return codewordsOf(codebook.subarray(first, first + CODEWORDS));
    });
    return {
      forward: forward.subarray(head * size, (head + 1) * size),
      inverse: inverse.subarray(head * size, (head + 1) * size),
      mean: mean.subarray(head * headDim, (head + 1) * headDim),
      encode(row, codes, numbers) {
        let square = 0;
        for (let i = 0; i < headDim; i++) square += row[i]! * row[i]!;
        const scale = Math.sqrt(square / headDim);
        numbers[0] = toHalfBits(scale);
        for (let i = 0; i < headDim; i++) row[i] = scale > 0 ? row[i]! / scale : 0;
        for (const [g, words] of books.entries()) codes[g] = nearestCodeword(row, g * GROUP, words);
      },
      decode(codes, numbers, row) {
        const scale = fromHalfBits(numbers[0]!);
        for (let i = 0; i < headDim; i++) {
          row[i] = books[i >> 2]![codes[i >> 2]! * GROUP + (i & 3)]! * scale;
        }
      },
    };
  });
}

function valueCoders(settings: NovaSettings): HeadCoder[] {
  const { heads, headDim } = settings;
  const { rotation } = novaValueTables(settings);
  const inverse = new Float32Array(rotation.length);
  for (let i = 0; i < rotation.length; i++) {
    inverse[i % headDim * headDim + Math.floor(i / headDim)] = rotation[i]!;
  }
  const sizes = new Float32Array(headDim);
  const coder: HeadCoder = {
    forward: rotation,
    inverse,
    mean: new Float32Array(headDim),
    encode(row, codes, numbers) {
      for (let i = 0; i < headDim; i++) sizes[i] = Math.abs(row[i]!);
      const most = sizes.sort()[clipPlace(settings)]!;
      let [low, high] = [Infinity, -Infinity];
      for (let i = 0; i < headDim; i++) {
        const x = row[i] = Math.min(Math.max(row[i]!, -most), most);
        low = Math.min(low, x);
        high = Math.max(high, x);
      }
      const scale = Math.fround(Math.max(Math.fround(high - low), LEAST_RANGE) / 3);
      const zero = Math.fround(-low / scale);
      numbers[0] = toHalfBits(scale);
      numbers[1] = toHalfBits(zero);
      codes.fill(0);
      for (let i = 0; i < headDim; i++) {
        const level = Math.floor(Math.fround(Math.fround(row[i]! / scale) + zero) + 0.5);
        codes[i >> 2]! |= Math.min(Math.max(level, 0), 3) << 2 * (i & 3);
      }
    },
    decode(codes, numbers, row) {
      const [scale, zero] = [fromHalfBits(numbers[0]!), fromHalfBits(numbers[1]!)];
      for (let i = 0; i < headDim; i++) {
        row[i] = ((codes[i >> 2]! >> 2 * (i & 3) & 3) - zero) * scale;
      }
    },
  };
  return new Array<HeadCoder>(heads).fill(coder);
}

/** What components differ by at least, for a scale. */
const LEAST_RANGE = Math.fround(1e-8);
