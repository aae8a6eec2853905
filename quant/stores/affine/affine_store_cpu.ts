/**
 * The packed cache of an affine family in host memory: the reference implementation.
 *
 * @module
 */
import { GroupBatch } from "./affine_quantize.ts";
import { restoreUnits } from "./affine_restore.ts";
import { affineLayout, affineRange, type AffineSettings } from "./affine_settings.ts";
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import type { GroupLayout } from "./group_layout.ts";
import { loadParameters, parameterWords, storeParameters } from "../../packing/parameters.ts";
import { type RunPlan, runPlan } from "./run_plan.ts";
import { storedBuffers } from "./stored_buffers.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";

/** Groups that are worked on at a time: enough to amortise calls, few enough for the L1 cache. */
const BATCH_GROUPS = 128;

/** Store of an affine family over host tensors. `grow` throws at once on non-finite input. */
export class AffineStoreCpu implements Store<CpuTensor> {
  /** Where codes and parameters lie in the buffers. */
  readonly layout: GroupLayout;
  /** Packed codes, unit after unit. */
  readonly codes: Uint32Array<ArrayBuffer>;
  /** Scales and zero points, group after group. */
  readonly parameters: Uint32Array<ArrayBuffer>;
  readonly #source: Source<CpuTensor>;
  readonly #settings: AffineSettings;
  readonly #rowCodes: Int32Array;
  readonly #bits: Int32Array;
  readonly #plans: readonly RunPlan[];
  readonly #batchUnits: number;
  readonly #batch: GroupBatch;
  #quantized: TokenRange;
  #units = 0;

  /** Opens an empty store with room for a snapshot of `tokens` tokens. */
  constructor(source: Source<CpuTensor>, settings: AffineSettings, tokens: number) {
    const { headDim } = source.tensor;
    this.#source = source;
    this.#settings = settings;
    this.layout = affineLayout(settings, headDim);
    const range = affineRange(settings, tokens);
    const units = (range.to - range.from) / this.layout.unitTokens;
    this.codes = new Uint32Array(units * this.layout.unitWords);
    this.parameters = new Uint32Array(
      parameterWords(settings.paramDtype, units * this.layout.unitGroups),
    );
    const { data } = source.tensor;
    this.#bits = new Int32Array(data.buffer, data.byteOffset, data.length);
    this.#plans = this.layout.bands.map((band) => runPlan(this.layout, band, source.tensor));
    this.#batchUnits = Math.max(1, Math.floor(BATCH_GROUPS / this.layout.unitGroups));
    const rowCodes = Math.max(...this.layout.bands.map((band) => band.rowCodes));
    this.#rowCodes = new Int32Array(rowCodes);
    this.#batch = new GroupBatch(this.#batchUnits * this.layout.unitGroups, rowCodes, settings);
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
    const { unitTokens, unitWords, unitGroups } = this.layout;
    const units = (range.to - range.from) / unitTokens;
    const { data } = this.#source.tensor;
    for (let unit = this.#units; unit < units; unit += this.#batchUnits) {
      const count = Math.min(this.#batchUnits, units - unit);
      const token = range.from + unit * unitTokens;
      for (const plan of this.#plans) {
        const first = plan.base + token * this.layout.headDim;
        const word = unit * unitWords;
        if (!this.#batch.quantize(plan, data, this.#bits, first, count, this.codes, word)) {
          throwNotFinite(this.#source, this.#source.tensor, token, token + count * unitTokens);
        }
      }
      storeParameters(
        this.#settings.paramDtype,
        this.#batch.scales,
        this.#batch.zeros,
        count * unitGroups,
        this.parameters,
        unit * unitGroups,
      );
    }
    this.#units = Math.max(units, this.#units);
    this.#quantized = range;
  }

  restore(target: CpuTensor): void {
    const { unitTokens, unitWords, unitGroups } = this.layout;
    const plans = target.capacity === this.#source.tensor.capacity
      ? this.#plans
      : this.layout.bands.map((band) => runPlan(this.layout, band, target));
    const { scales, zeros } = this.#batch;
    for (let unit = 0; unit < this.#units; unit += this.#batchUnits) {
      const count = Math.min(this.#batchUnits, this.#units - unit);
      const token = this.#quantized.from + unit * unitTokens;
      loadParameters(
        this.#settings.paramDtype,
        this.parameters,
        unit * unitGroups,
        count * unitGroups,
        scales,
        zeros,
      );
      for (const plan of plans) {
        restoreUnits(
          plan,
          this.codes,
          unit * unitWords,
          scales,
          zeros,
          this.#settings.arithmetic,
          target.data,
          plan.base + token * this.layout.headDim,
          count,
          this.#rowCodes,
        );
      }
    }
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    return storedBuffers(this.#settings, this.layout, affineRange(this.#settings, n));
  }

  contents(): Promise<readonly BufferContents[]> {
    return Promise.resolve([
      { role: "codes", words: this.codes },
      { role: "scale_zero", words: this.parameters },
    ]);
  }

  free(): void {}
}
