/**
 * A family as a user may write it, with some of everything: four bits an entry, even steps from
 * `-reach` to `reach`.
 */
import type { Family, Settings, Source, Store } from "../../quant/family.ts";
import { packRow, unpackRow, wordsPerRow } from "../../quant/packing/bit_packing.ts";
import type { CpuTensor, TokenRange } from "../../quant/tensor.ts";
import { slidingWindow } from "../../quant/windows.ts";

export interface TinySettings extends Settings {
  readonly reach: number;
  readonly sinkTokens: number;
  readonly residualLength: number;
}

/** What a policy may teach it: a reach for every layer. */
export interface TinyLesson {
  readonly reach: readonly number[];
}

const rangeOf = ({ residualLength, sinkTokens }: TinySettings, n: number): TokenRange =>
  slidingWindow(n, residualLength, sinkTokens);

class TinyStore implements Store<CpuTensor> {
  quantized: TokenRange = { from: 0, to: 0 };
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #row: Int32Array;

  constructor(
    private readonly source: Source<CpuTensor>,
    private readonly settings: TinySettings,
    tokens: number,
  ) {
    const { from, to } = rangeOf(settings, tokens);
    const { heads, headDim } = source.tensor;
    this.#words = new Uint32Array((to - from) * heads * wordsPerRow(headDim, 4));
    this.#row = new Int32Array(headDim);
  }

  #rows(from: number, to: number, visit: (at: number, word: number) => void): void {
    const { heads, capacity, headDim } = this.source.tensor;
    for (let t = from; t < to; t++) {
      for (let head = 0; head < heads; head++) {
        const row = (t - this.quantized.from) * heads + head;
        visit((head * capacity + t) * headDim, row * wordsPerRow(headDim, 4));
      }
    }
  }

  grow(n: number): void {
    const before = this.quantized.to;
    this.quantized = rangeOf(this.settings, n);
    const { reach } = this.settings;
    const { data, headDim } = this.source.tensor;
    this.#rows(Math.max(before, this.quantized.from), this.quantized.to, (at, word) => {
      for (let i = 0; i < headDim; i++) {
        const code = Math.round((data[at + i]! / reach + 1) * 7.5);
        this.#row[i] = Math.min(Math.max(code, 0), 15);
      }
      packRow(this.#row, headDim, 4, this.#words, word);
    });
  }

  restore(target: CpuTensor): void {
    const { headDim } = target;
    this.#rows(this.quantized.from, this.quantized.to, (_, word) => {
      unpackRow(this.#words, word, headDim, 4, this.#row);
      const row = word / wordsPerRow(headDim, 4);
      const head = row % target.heads;
      const token = this.quantized.from + (row - head) / target.heads;
      const at = (head * target.capacity + token) * headDim;
      for (let i = 0; i < headDim; i++) {
        target.data[at + i] = (this.#row[i]! / 7.5 - 1) * this.settings.reach;
      }
    });
  }

  buffers(n: number) {
    const { from, to } = rangeOf(this.settings, n);
    const { heads, headDim } = this.source.tensor;
    const rows = (to - from) * heads;
    const codes = new Array<number>(heads).fill((to - from) * headDim);
    return [
      {
        role: "codes",
        bytes: 4 * rows * wordsPerRow(headDim, 4),
        bits: this.settings.bits,
        codes,
      },
    ];
  }

  rewrites = () => false;
  settle = () => Promise.resolve();
  contents = () => Promise.resolve([{ role: "codes", words: this.#words }]);
  free = () => {};
}

/** The family `tiny`. */
export const tiny: Family<TinySettings, "sink_tokens", { readonly reach?: number }> = {
  name: "tiny",
  source: "this test",
  widths: [4],
  hooks: { sink_tokens: { absent: 2 } },
  options: {
    reach: {
      value: { is: "number", above: 0 },
      absentRule: "the lesson's, else 4",
      means: "largest entry that is not cut",
    },
  },
  calibration: "either",
  takesLesson: true,
  resolve: ({ layer, kind, bits, sinkTokens, residualLength, options, lesson }) => ({
    family: "tiny",
    layer,
    kind,
    bits,
    paramDtype: "f16",
    sinkTokens,
    residualLength,
    reach: options.reach ?? (lesson as TinyLesson | undefined)?.reach[layer] ?? 4,
  }),
  statistics: ({ layers }) => ({
    largest: layers.map(({ keys, values }) =>
      Math.max(
        ...[...keys, ...values].map(({ data }) =>
          data.reduce((a, x) => Math.max(a, Math.abs(x)), 0)
        ),
      )
    ),
  }),
  needs: () => ({}),
  quantizedRange: rangeOf,
  openCpu: (source, settings, tokens) => new TinyStore(source, settings, tokens),
  openGpu: () => {
    throw new Error("the tests open it in cpu memory");
  },
};
