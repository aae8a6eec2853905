/**
 * Corrects keys on a GPU.
 *
 * @module
 */
import pack from "../../packing/pack.wgsl" with { type: "text" };
import correctKernel from "./squat.wgsl" with { type: "text" };
import subspaceKernels from "./squat_subspace.wgsl" with { type: "text" };
import { affineRange } from "../../stores/affine/affine_settings.ts";
import {
  bindNumbered,
  computePipeline,
  dispatch,
  WORKGROUP_THREADS,
} from "../../gpu/compute_pipelines.ts";
import type { Source } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import { preRopeOf, rotateOnGpu } from "../../stores/rope/rope_restore.ts";
import { type ReadbackClient, Readbacks, type WordRegion } from "../../gpu/shared_readback.ts";
import type { KeyCorrector } from "./squat_key_store.ts";
import {
  correctionSize,
  queriesOf,
  type SquatCorrection,
  type SquatSettings,
} from "./squat_settings.ts";
import type { GpuTensor, TokenRange } from "../../tensor.ts";

const NO_FAILURE = 0xffffffff;

/** Threads of the kernels that have one workgroup per head (`head_threads` in the WGSL). */
const HEAD_THREADS = 256;

/** Rounds in which every axis is turned against every other; Jacobi's method needs six or seven. */
const JACOBI_SWEEPS = 10;

/** Most turns that the loops of one dispatch take, half of what software drivers allow. */
const MOST_TURNS = 32000;

/** Number of a storage format of parameters in pack.wgsl. */
const PARAMETER_TYPES = { f16: 0, f32: 1, fp8: 2 } as const;

/** Corrects keys of one layer on a GPU; `settle` throws on non-finite input. */
export class SquatCorrectorGpu implements KeyCorrector<GpuTensor>, ReadbackClient {
  readonly corrected: GpuTensor;
  readonly #device: GPUDevice;
  readonly #source: Source<GpuTensor>;
  readonly #keys: GpuTensor;
  readonly #settings: SquatSettings;
  readonly #correction: SquatCorrection;
  readonly #topCodes: GPUBuffer;
  readonly #errors: GPUBuffer;
  readonly #failure: GPUBuffer;
  readonly #job: GPUBuffer;
  #corrections: GPUBuffer | undefined;
  #error: Error | undefined;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: SquatSettings,
    correction: SquatCorrection,
    tokens: number,
  ) {
    this.#device = device;
    this.#source = source;
    this.#settings = settings;
    this.#correction = correction;
    this.#keys = correction.keyRope === "before" ? preRopeOf(source).tensor : source.tensor;
    const { heads, headDim } = source.tensor;
    const capacity = affineRange(settings, tokens).to;
    const words = Math.max(1, heads * capacity * headDim);
    this.corrected = { heads, capacity, headDim, buffer: this.#buffer("corrected", words) };
    this.#errors = this.#buffer("errors", words);
    this.#topCodes = this.#upload("top codes", Uint32Array.from(settings.topCodes));
    this.#failure = this.#upload("failure", Uint32Array.of(NO_FAILURE));
    this.#job = this.#uniform(48);
  }

  correct(from: number, to: number): void {
    const { heads, headDim } = this.corrected;
    const { groupSize, paramDtype } = this.#settings;
    const { blockChannels } = this.#correction;
    const size = correctionSize(headDim, blockChannels);
    this.#corrections ??= this.#findCorrections(size);
    const groups = (to - from) / groupSize;
    this.#device.queue.writeBuffer(
      this.#job,
      0,
      Uint32Array.of(
        heads,
        headDim,
        this.#keys.capacity,
        this.corrected.capacity,
        from,
        groups,
        groupSize,
        blockChannels,
        size,
      ),
    );
    const pipeline = computePipeline(this.#device, "squat", "correct", [pack, correctKernel], {
      parameter_type: PARAMETER_TYPES[paramDtype],
    });
    const bound = bindNumbered(this.#device, pipeline, {
      0: this.#job,
      1: this.#topCodes,
      2: this.#keys.buffer,
      3: this.#corrections,
      4: this.corrected.buffer,
      5: this.#errors,
      6: this.#failure,
    });
    dispatch(this.#device, pipeline, bound, heads * groups * WORKGROUP_THREADS);
    Readbacks.in(this.#source.shared).await(this);
  }

  rotate(target: GpuTensor, range: TokenRange): void {
    if (this.#correction.keyRope === "after") return;
    rotateOnGpu(this.#device, target, range, preRopeOf(this.#source).rope);
  }

  async settle(): Promise<void> {
    await Readbacks.in(this.#source.shared).settle(this.#device, this);
    if (this.#error !== undefined) throw this.#error;
  }

  regions(): readonly WordRegion[] {
    return [{ buffer: this.#failure, at: 0, words: 1 }];
  }

  accept([place]: Uint32Array<ArrayBuffer>): void {
    if (place === NO_FAILURE) return;
    const { heads } = this.corrected;
    this.#error = notFiniteError(this.#source, place! % heads, Math.floor(place! / heads));
  }

  free(): void {
    Readbacks.in(this.#source.shared).drop(this);
    this.corrected.buffer.destroy();
    this.#errors.destroy();
    this.#topCodes.destroy();
    this.#failure.destroy();
    this.#job.destroy();
    this.#corrections?.destroy();
  }

  /** The corrections of every head, `[heads][size]`. */
  #findCorrections(size: number): GPUBuffer {
    const device = this.#device;
    const { heads, headDim } = this.corrected;
    const corrections = this.#buffer("corrections", Math.max(1, heads * size));
    if (size === 0) return corrections;
    const { blockChannels, queryRope } = this.#correction;
    const { promptTokens } = this.#source;
    const queries = queriesOf(this.#source);
    const rope = queryRope === "before" ? preRopeOf(this.#source).rope : undefined;
    const square = heads * headDim * headDim;
    const job = this.#uniform(48);
    const gram = this.#buffer("gram", square);
    const vectors = this.#buffer("vectors", square);
    const values = this.#buffer("values", heads * headDim);
    const weights = this.#buffer("weights", square);
    const run = (
      entryPoint: string,
      threads: number,
      buffers: Readonly<Record<number, GPUBuffer>>,
      first = 0,
      last = 0,
    ) => {
      this.#writeSubspaceJob(job, queries, size, rope !== undefined, first, last);
      const constants = { channels: headDim };
      const pipeline = computePipeline(device, "squat", entryPoint, [subspaceKernels], constants);
      dispatch(device, pipeline, bindNumbered(device, pipeline, { 0: job, ...buffers }), threads);
    };
    const inSteps = (
      from: number,
      to: number,
      turns: number,
      body: (a: number, b: number) => void,
    ) => {
      const step = Math.max(1, Math.floor(MOST_TURNS / turns));
      for (let a = from; a < to; a += step) body(a, Math.min(a + step, to));
    };

    // At least one dispatch, which starts the eigenvectors.
    inSteps(0, Math.max(1, promptTokens), queries.heads / heads, (a, b) =>
      run(
        "gram",
        square,
        {
          1: queries.buffer,
          2: rope?.cos.buffer ?? this.#topCodes,
          3: rope?.sin.buffer ?? this.#failure,
          4: gram,
          5: vectors,
        },
        a,
        Math.min(b, promptTokens),
      ));
    const players = headDim + headDim % 2;
    const rotations = 2 * Math.ceil(players / 2 * headDim / HEAD_THREADS) + 1;
    inSteps(
      0,
      JACOBI_SWEEPS * (players - 1),
      rotations,
      (a, b) => run("diagonalize", heads * WORKGROUP_THREADS, { 4: gram, 5: vectors }, a, b),
    );
    run("select_largest", heads * headDim, { 4: gram, 6: values });
    run("weigh", square, { 5: vectors, 6: values, 7: weights });
    const entries = 2 * Math.ceil(headDim * headDim / HEAD_THREADS) + 2;
    inSteps(
      0,
      headDim - blockChannels,
      entries,
      (a, b) =>
        run(
          "sweep",
          heads * WORKGROUP_THREADS,
          { 7: weights, 8: corrections },
          headDim - a,
          headDim - b,
        ),
    );
    for (const buffer of [job, gram, vectors, values, weights]) buffer.destroy();
    return corrections;
  }

  #writeSubspaceJob(
    job: GPUBuffer,
    queries: GpuTensor,
    size: number,
    turnBack: boolean,
    first: number,
    last: number,
  ): void {
    const { heads, headDim } = this.corrected;
    const { subspaceDim, blockChannels, lambda } = this.#correction;
    const words = Uint32Array.of(
      heads,
      headDim,
      queries.capacity,
      this.#source.promptTokens,
      queries.heads / heads,
      subspaceDim,
      blockChannels,
      size,
      0,
      turnBack ? 1 : 0,
      first,
      last,
    );
    new Float32Array(words.buffer)[8] = lambda;
    this.#device.queue.writeBuffer(job, 0, words);
  }

  #uniform(size: number): GPUBuffer {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    return this.#device.createBuffer({ label: "job", size, usage });
  }

  #buffer(label: string, words: number): GPUBuffer {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return this.#device.createBuffer({ label, size: words * 4, usage });
  }

  #upload(label: string, words: Uint32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.#buffer(label, words.length);
    this.#device.queue.writeBuffer(buffer, 0, words);
    return buffer;
  }
}
