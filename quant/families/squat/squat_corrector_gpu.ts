/**
 * Corrects keys on a GPU.
 *
 * @module
 */
import pack from "../../packing/pack.wgsl" with { type: "text" };
import { PARAMETER_TYPES } from "../../packing/parameters.ts";
import correctKernel from "./squat.wgsl" with { type: "text" };
import subspaceKernels from "./squat_subspace.wgsl" with { type: "text" };
import { affineRange } from "../../stores/affine/affine_settings.ts";
import type { Source } from "../../family.ts";
import { DeviceStore } from "../../gpu/device_store.ts";
import { type Extent, Kernels } from "../../gpu/kernels.ts";
import { preRopeOf, rotateOnGpu } from "../../stores/rope/rope_restore.ts";
import type { KeyCorrector } from "./squat_key_store.ts";
import {
  correctionSize,
  queriesOf,
  type SquatCorrection,
  type SquatSettings,
} from "./squat_settings.ts";
import type { GpuTensor, TokenRange } from "../../tensor.ts";

/** Rounds in which every axis is turned against every other; Jacobi's method needs six or seven. */
const JACOBI_SWEEPS = 10;

/** Most turns that the loops of one launch take, half of what software drivers allow. */
const MOST_TURNS = 32000;

/** Goes through `from <= i < to` in steps of at most so many turns. */
function* inSteps(from: number, to: number, turns: number): Generator<[number, number]> {
  const step = Math.max(1, Math.floor(MOST_TURNS / turns));
  for (let a = from; a < to; a += step) yield [a, Math.min(a + step, to)];
}

/** Corrects keys of one layer on a GPU; `settle` throws on non-finite input. */
export class SquatCorrectorGpu
  extends DeviceStore<"corrected" | "errors" | "top_codes" | "corrections">
  implements KeyCorrector<GpuTensor> {
  readonly corrected: GpuTensor;
  readonly #source: Source<GpuTensor>;
  readonly #keys: GpuTensor;
  readonly #settings: SquatSettings;
  readonly #correction: SquatCorrection;
  /** Numbers that correct one head. */
  readonly #size: number;
  readonly #kernels: Kernels;
  #ready = false;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: SquatSettings,
    correction: SquatCorrection,
    tokens: number,
  ) {
    const keys = correction.keyRope === "before" ? preRopeOf(source).tensor : source.tensor;
    const { heads, headDim } = keys;
    const capacity = affineRange(settings, tokens).to;
    const words = heads * capacity * headDim;
    const size = correctionSize(headDim, correction.blockChannels);
    super(device, source, {
      corrected: words,
      errors: words,
      top_codes: Uint32Array.from(settings.topCodes),
      corrections: heads * size,
    });
    this.corrected = { heads, capacity, headDim, buffer: this.memory.corrected };
    this.#source = source;
    this.#keys = keys;
    this.#settings = settings;
    this.#correction = correction;
    this.#size = size;
    this.#kernels = Kernels.of(device, "squat", [pack, correctKernel], {
      parameter_type: PARAMETER_TYPES[settings.paramDtype],
    });
  }

  correct(from: number, to: number): void {
    if (!this.#ready && this.#size > 0) this.#findCorrections();
    this.#ready = true;
    const { heads, headDim, capacity } = this.#keys;
    const { groupSize } = this.#settings;
    const groups = (to - from) / groupSize;
    this.run(this.#kernels, "correct", { workgroups: heads * groups }, {
      job: {
        heads,
        head_dim: headDim,
        capacity,
        corrected_capacity: this.corrected.capacity,
        first_token: from,
        groups,
        group_size: groupSize,
        block_channels: this.#correction.blockChannels,
        correction_size: this.#size,
      },
      keys: this.#keys.buffer,
    });
  }

  rotate(target: GpuTensor, range: TokenRange): void {
    if (this.#correction.keyRope === "after") return;
    rotateOnGpu(this.bench.device, target, range, preRopeOf(this.#source).rope);
  }

  /** Fills the corrections of every head, `[heads][size]`. */
  #findCorrections(): void {
    const { bench } = this;
    const { heads, headDim } = this.corrected;
    const { blockChannels, lambda, queryRope, subspaceDim } = this.#correction;
    const { promptTokens } = this.#source;
    const queries = queriesOf(this.#source);
    const rope = queryRope === "before" ? preRopeOf(this.#source).rope : undefined;
    const square = heads * headDim * headDim;
    const kernels = Kernels.of(bench.device, "squat", [subspaceKernels], { channels: headDim });
    const scratch = {
      gram_matrix: bench.buffer("gram", square),
      vectors: bench.buffer("vectors", square),
      values: bench.buffer("values", heads * headDim),
      weights: bench.buffer("weights", square),
    };
    const run = (entryPoint: string, over: Extent, first = 0, last = 0) =>
      this.run(kernels, entryPoint, over, {
        job: {
          heads,
          head_dim: headDim,
          capacity: queries.capacity,
          tokens: promptTokens,
          shared_heads: queries.heads / heads,
          subspace_dim: subspaceDim,
          block_channels: blockChannels,
          correction_size: this.#size,
          lambda,
          turn_back: rope !== undefined,
          first,
          last,
        },
        queries: queries.buffer,
        cosines: rope?.cos.buffer,
        sines: rope?.sin.buffer,
        ...scratch,
      });

    // At least one launch, which starts the eigenvectors.
    for (const [a, b] of inSteps(0, Math.max(1, promptTokens), queries.heads / heads)) {
      run("gram", { threads: square }, a, Math.min(b, promptTokens));
    }
    const players = headDim + headDim % 2;
    const threads = kernels.workgroupThreads("diagonalize");
    const rotations = 2 * Math.ceil(players / 2 * headDim / threads) + 1;
    for (const [a, b] of inSteps(0, JACOBI_SWEEPS * (players - 1), rotations)) {
      run("diagonalize", { workgroups: heads }, a, b);
    }
    run("select_largest", { threads: heads * headDim });
    run("weigh", { threads: square });
    const entries = 2 * Math.ceil(headDim * headDim / kernels.workgroupThreads("sweep")) + 2;
    for (const [a, b] of inSteps(0, headDim - blockChannels, entries)) {
      run("sweep", { workgroups: heads }, headDim - a, headDim - b);
    }
    bench.free(...Object.values(scratch));
  }
}
