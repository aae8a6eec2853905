/**
 * The packed cache of `nova` in host memory: the reference implementation.
 *
 * @module
 */
import type { Calibration } from "../../calibration.ts";
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import { finiteHalf, fromHalfBits, toHalfBits } from "../../packing/half.ts";
import { RestoredTokens } from "../../stores/coupled/restored_tokens.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import { codewordsOf } from "./key_codebook.ts";
import { CodewordFinder } from "./nearest_codewords.ts";
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
import { codeValues } from "./value_codes.ts";

/** Tokens that go through all steps together, so that what one writes is at hand for the next. */
const TILE = 128;

/** Where one head of consecutive tokens is stored: of the first at index 0, of the next `…Step` on. */
interface Stored {
  readonly codes: Uint8Array;
  readonly codeStep: number;
  readonly numbers: Uint16Array;
  readonly numberStep: number;
}

/** One head of some tokens: its transform, there and back, and its codes. */
interface HeadCoder {
  /** `[component][channel]` */
  readonly forward: Float32Array;
  /** `[channel][component]` */
  readonly inverse: Float32Array;
  /** Taken off before and put back behind. */
  readonly mean: Float32Array;
  /** Codes the components of tokens, `[count][headDim]`, and overwrites them. */
  encode(rows: Float32Array, count: number, stored: Stored): void;
  /** Components of tokens, `[count][headDim]`. */
  decode(stored: Stored, count: number, rows: Float32Array): void;
}

/** What follows from what was learned alone; every example's store shares it. */
const keyCodersOf = new WeakMap<Calibration, readonly HeadCoder[]>();

function coders(settings: NovaSettings): readonly HeadCoder[] {
  if (settings.kind === "value") return valueCoders(settings);
  const calibration = settings.calibration!;
  let found = keyCodersOf.get(calibration);
  if (found === undefined) keyCodersOf.set(calibration, found = keyCoders(settings));
  return found;
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
    this.#coders = coders(settings);
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
    if (to <= first) return;
    throwNotFinite(this.#source, this.#source.tensor, first, to);
    for (let token = first; token < to; token += TILE) {
      this.#encodeTile(token, Math.min(TILE, to - token));
    }
  }

  restore(target: CpuTensor): void {
    const { to } = this.#quantized;
    this.#restored.restore(to, target, (first, tensor) => {
      for (let token = first; token < to; token += TILE) {
        this.#restoreTile(token, Math.min(TILE, to - token), tensor);
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

  #encodeTile(first: number, count: number): void {
    const { headDim } = this.#settings;
    const { capacity, data } = this.#source.tensor;
    const [rows, out] = [new Float32Array(count * headDim), new Float32Array(count * headDim)];
    for (const [head, coder] of this.#coders.entries()) {
      const { mean, forward } = coder;
      let at = (head * capacity + first) * headDim;
      for (let i = 0; i < rows.length;) {
        for (let c = 0; c < headDim; c++) rows[i++] = finiteHalf(data[at++]!) - mean[c]!;
      }
      rowsTimesColumns(rows, count, forward, headDim, headDim, out);
      coder.encode(out, count, this.#stored(first - this.#quantized.from, head));
    }
  }

  #restoreTile(first: number, count: number, { capacity, data }: CpuTensor): void {
    const { headDim } = this.#settings;
    const [rows, out] = [new Float32Array(count * headDim), new Float32Array(count * headDim)];
    for (const [head, coder] of this.#coders.entries()) {
      const { mean, inverse } = coder;
      coder.decode(this.#stored(first - this.#quantized.from, head), count, rows);
      rowsTimesColumns(rows, count, inverse, headDim, headDim, out);
      let at = (head * capacity + first) * headDim;
      for (let i = 0; i < out.length;) {
        for (let c = 0; c < headDim; c++) data[at++] = finiteHalf(out[i++]! + mean[c]!);
      }
    }
  }

  /** Where one head of tokens is stored, from number `token` on. */
  #stored(token: number, head: number): Stored {
    const { heads, headDim } = this.#settings;
    const codeStep = heads * headDim / 4;
    const numberStep = novaTokenNumbers(this.#settings);
    return {
      codes: this.#codes.subarray(token * codeStep + head * headDim / 4),
      codeStep,
      numbers: this.#numbers.subarray(token * numberStep + head * numberStep / heads),
      numberStep,
    };
  }
}

function keyCoders(settings: NovaSettings): HeadCoder[] {
  const { heads, headDim } = settings;
  const { forward, inverse, mean, codebook } = novaKeyTables(settings);
  const size = headDim * headDim;
  const groups = headDim / GROUP;
  return Array.from({ length: heads }, (_, head): HeadCoder => {
    const books = Array.from({ length: groups }, (_, g) => {
      const first = (head * groups + g) * CODEWORDS;
      return codewordsOf(codebook.subarray(first, first + CODEWORDS));
    });
    const finder = new CodewordFinder(books);
    return {
      forward: forward.subarray(head * size, (head + 1) * size),
      inverse: inverse.subarray(head * size, (head + 1) * size),
      mean: mean.subarray(head * headDim, (head + 1) * headDim),
      encode(rows, count, { codes, codeStep, numbers, numberStep }) {
        for (let t = 0, at = 0; t < count; t++) {
          const end = at + headDim;
          let square = 0;
          for (let i = at; i < end; i++) square += rows[i]! * rows[i]!;
          const scale = Math.sqrt(square / headDim);
          numbers[t * numberStep] = toHalfBits(scale);
          for (; at < end; at++) rows[at] = scale > 0 ? rows[at]! / scale : 0;
        }
        finder.find(rows, count, codes, codeStep);
      },
      decode({ codes, codeStep, numbers, numberStep }, count, rows) {
        for (let t = 0, at = 0; t < count; t++) {
          const scale = fromHalfBits(numbers[t * numberStep]!);
          for (let g = 0; g < groups; g++) {
            const words = books[g]!;
            const word = codes[t * codeStep + g]! * GROUP;
            for (let d = 0; d < GROUP; d++) rows[at++] = words[word + d]! * scale;
          }
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
  const unclipped = headDim - clipPlace(settings);
  const coder: HeadCoder = {
    forward: rotation,
    inverse,
    mean: new Float32Array(headDim),
    encode(rows, count, { codes, codeStep, numbers, numberStep }) {
      codeValues(rows, count, headDim, unclipped, codes, codeStep, numbers, numberStep);
    },
    decode({ codes, codeStep, numbers, numberStep }, count, rows) {
      for (let t = 0, at = 0; t < count; t++) {
        const scale = fromHalfBits(numbers[t * numberStep]!);
        const zero = fromHalfBits(numbers[t * numberStep + 1]!);
        for (let byte = t * codeStep, end = at + headDim; at < end; byte++) {
          const code = codes[byte]!;
          for (let shift = 0; shift < 8; shift += 2) {
            rows[at++] = ((code >> shift & 3) - zero) * scale;
          }
        }
      }
    },
  };
  return new Array<HeadCoder>(heads).fill(coder);
}
