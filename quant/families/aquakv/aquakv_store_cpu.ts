/**
 * The packed cache of `aquakv` in host memory: the reference implementation.
 *
 * @module
 */
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { gaussianPairs } from "../../numerics/gaussian_pairs.ts";
import { packRow, unpackRow } from "../../packing/bit_packing.ts";
import { RestoredTokens } from "../../stores/coupled/restored_tokens.ts";
import { beforeRope, placeToken } from "../../stores/rope/rope_restore.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import {
  aquakvBuffers,
  type AquakvLayout,
  aquakvLayout,
  aquakvPredictor,
  aquakvRange,
  type AquakvSettings,
  type Predictor,
} from "./aquakv_settings.ts";
import { decodeHiggs, encodeHiggs, type HiggsShape } from "./higgs.ts";
import { predict } from "./predict.ts";
import { putBack, takeOff } from "./residual_rows.ts";
import { type ChainLink, RestoredChain } from "./restored_chain.ts";

/** Tokens that go through all steps together, so that what one writes is at hand for the next. */
const TILE = 128;

/** Store of `aquakv` over host tensors. `grow` throws at once on non-finite input. */
export class AquakvStoreCpu implements Store<CpuTensor>, ChainLink<Float32Array> {
  readonly settings: AquakvSettings;
  readonly #source: Source<CpuTensor>;
  readonly #layout: AquakvLayout;
  readonly #shape: HiggsShape;
  readonly #predictor: Predictor | undefined;
  readonly #chain: RestoredChain<Float32Array>;
  readonly #codes: Uint32Array<ArrayBuffer>;
  readonly #scales: Uint16Array<ArrayBuffer>;
  /** Restored tokens, `[tokens][channels]`. */
  readonly #rows: Float32Array<ArrayBuffer>;
  /** The same at their positions, keys after RoPE. */
  readonly #turned: RestoredTokens;
  #quantized: TokenRange;

  constructor(source: Source<CpuTensor>, settings: AquakvSettings, tokens: number) {
    this.settings = settings;
    this.#source = source;
    this.#layout = aquakvLayout(settings);
    const { channels, bits, tokenWords, scales } = this.#layout;
    this.#shape = { channels, bits, hadamardSize: settings.hadamardSize };
    this.#predictor = aquakvPredictor(settings);
    const { from, to } = aquakvRange(settings, tokens);
    this.#codes = new Uint32Array((to - from) * tokenWords);
    // In whole words, as they are counted.
    this.#scales = new Uint16Array(2 * Math.ceil((to - from) * scales / 2));
    this.#rows = new Float32Array((to - from) * channels);
    this.#turned = new RestoredTokens(source.tensor, settings.sinkTokens);
    this.#quantized = aquakvRange(settings, 0);
    this.#chain = RestoredChain.join<Float32Array>(source.shared, this);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const { from, to } = aquakvRange(this.settings, n);
    const first = this.#quantized.to - this.#quantized.from;
    const count = to - from - first;
    this.#quantized = { from, to };
    if (count <= 0) return;
    const { tensor } = beforeRope(this.#source);
    throwNotFinite(this.#source, tensor, from + first, to);
    for (let token = first; token < first + count; token += TILE) {
      this.#code(token, Math.min(TILE, first + count - token), tensor);
    }
  }

  restored(): Float32Array {
    return this.#rows;
  }

  restore(target: CpuTensor): void {
    const { from, to } = this.#quantized;
    this.#turned.restore(to, target, (token, tensor) => {
      const { channels } = this.#layout;
      const { rope } = beforeRope(this.#source);
      for (; token < to; token++) {
        placeToken(this.#rows.subarray((token - from) * channels), rope, token, tensor);
      }
    });
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { from, to } = aquakvRange(this.settings, n);
    return aquakvBuffers(this.#layout, to - from);
  }

  contents(): Promise<readonly BufferContents[]> {
    return Promise.resolve([
      { role: "codes", words: this.#codes },
      { role: "scale", words: new Uint32Array(this.#scales.buffer) },
    ]);
  }

  constants(): readonly ConstantBuffer[] {
    const { bits } = this.#layout;
    return [
      ...bits === 16 ? [] : [{ role: "codebook", memory: gaussianPairs(bits) }],
      ...Object.entries(this.#predictor ?? {}).map(([role, memory]) => ({ role, memory })),
    ];
  }

  free(): void {
    this.#chain.leave(this);
  }

  /**
   * Quantizes what is left of tokens behind the prediction, and restores them: the next layer's store
   * needs them at once, and predictions are the dearest part of both.
   */
  #code(first: number, count: number, input: CpuTensor): void {
    const { channels, pairs, scales } = this.#layout;
    const predicted = this.#predicted(first, count);
    const left = new Float32Array(count * channels);
    takeOff(input, this.#quantized.from + first, predicted, left);
    const own = this.#scales.subarray(first * scales);
    const codes = new Int32Array(count * pairs);
    encodeHiggs(left, count, this.#shape, codes, own);
    this.#write(first, count, codes);
    this.#read(first, count, codes);
    decodeHiggs(codes, own, count, this.#shape, left);
    putBack(left, predicted, this.#rows.subarray(first * channels));
  }

  #write(first: number, count: number, codes: Int32Array): void {
    const { bits, pairs, tokenWords } = this.#layout;
    if (bits === 16) {
      this.#codes.set(codes, first * tokenWords);
      return;
    }
    for (let t = 0; t < count; t++) {
      const row = codes.subarray(t * pairs, (t + 1) * pairs);
      packRow(row, pairs, 2 * bits, this.#codes, (first + t) * tokenWords);
    }
  }

  #read(first: number, count: number, codes: Int32Array): void {
    const { bits, pairs, tokenWords } = this.#layout;
    if (bits === 16) {
      codes.set(this.#codes.subarray(first * pairs, (first + count) * pairs));
      return;
    }
    for (let t = 0; t < count; t++) {
      const row = codes.subarray(t * pairs, (t + 1) * pairs);
      unpackRow(this.#codes, (first + t) * tokenWords, pairs, 2 * bits, row);
    }
  }

  /** What tokens are predicted to be. */
  #predicted(first: number, count: number): Float32Array {
    const { channels } = this.#layout;
    const inputs = this.#chain.inputs(this.settings, first + count);
    return predict(
      this.#predictor,
      inputs.map((rows) => rows.subarray(first * channels)),
      count,
      channels,
    );
  }
}
