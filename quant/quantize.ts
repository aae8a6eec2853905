/**
 * Quantizing one tensor without a model: what a family makes of keys or values that are at hand.
 *
 * @module
 */
import { CpuBackend } from "./backend_cpu.ts";
import type { CalibrationSamples } from "./calibration.ts";
import { EXACT_BITS } from "./families/exact/exact.ts";
import type {
  Axis,
  BufferContents,
  Family,
  HookAnswers,
  KvKind,
  Settings,
  Source,
  Store,
} from "./family.ts";
import { GpuBackend } from "./gpu/backend_gpu.ts";
import { axesOf } from "./declared.ts";
import { QuantizerError } from "./quantizer_error.ts";
import { settingsFor } from "./settings_for.ts";
import { builtInFamilies, type FamilyName } from "./registry.ts";
import type { Backend, CpuTensor, GpuTensor, KvShape, TokenRange } from "./tensor.ts";

/**
 * How a tensor is to be quantized; a hook that is absent has the family's default.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type CpuTensor, quantize, type QuantizeOptions } from "@kvreplay/kvreplay/quant";
 *
 * // A width for each head, and the first tokens exact.
 * const options: QuantizeOptions<CpuTensor> = { family: "uniform", bits: [2, 4], sinkTokens: 4 };
 * const data = Float32Array.from({ length: 2 * 64 * 64 }, (_, i) => Math.sin(i));
 * const values = { heads: 2, capacity: 64, headDim: 64, data };
 * const { quantized } = await quantize(values, { ...options, kind: "value" });
 * assertEquals(quantized, { from: 4, to: 64 });
 * ```
 */
export interface QuantizeOptions<T extends KvShape> extends
  Partial<
    Omit<
      HookAnswers,
      "layer" | "kind" | "bits" | "axis" | "residualLength" | "calibrationMode" | "lesson"
    >
  > {
  /** A built-in family by name, or one of yours. */
  readonly family: FamilyName | Family;
  /** Code width of every head, or one per head, in bits. */
  readonly bits: number | readonly number[];
  /** What the tensor is; default `key`. */
  readonly kind?: KvKind;
  /** Direction of the groups; default: per channel for keys, per token for values, where it can. */
  readonly axis?: Axis;
  /** Recent tokens kept exact; default 0. */
  readonly residualLength?: number;
  /** Keys before RoPE, for families and options that quantize those; shaped as the tensor. */
  readonly preRope?: T;
  /** Rotary tables `[1, positions, headDim / 2]`, together with `preRope`. */
  readonly rope?: { readonly cos: T; readonly sin: T };
  /** Queries after RoPE, `[queryHeads, tokens, headDim]`, for families that look at attention. */
  readonly queries?: T;
  /** Keys after RoPE, together with `queries`, where the tensor holds values. */
  readonly keys?: T;
  /** What a family that learns offline learns from. */
  readonly samples?: CalibrationSamples;
  /** Layer of the tensor, for families that treat layers differently; default 0. */
  readonly layer?: number;
}

/**
 * A quantized tensor.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { type CpuTensor, quantize, type Quantized } from "@kvreplay/kvreplay/quant";
 *
 * const data = Float32Array.from({ length: 64 * 64 }, (_, i) => Math.sin(i));
 * // Relative error, as `cache_error` counts it.
 * const error = ({ restored }: Quantized<CpuTensor>) =>
 *   Math.hypot(...restored.data.map((x, i) => x - data[i]!)) / Math.hypot(...data);
 * const values = { heads: 1, capacity: 64, headDim: 64, data };
 * const [two, four] = [
 *   await quantize(values, { family: "kivi", kind: "value", bits: 2 }),
 *   await quantize(values, { family: "kivi", kind: "value", bits: 4 }),
 * ];
 * assert(error(four) < error(two) && two.bytes < four.bytes);
 * ```
 */
export interface Quantized<T extends KvShape> {
  /**
   * The tensor after quantizing and restoring, in the memory of the original; tokens that stay exact
   * are copied. On a GPU the caller destroys its buffer.
   */
  readonly restored: T;
  /** Token positions that were quantized. */
  readonly quantized: TokenRange;
  /** What is stored: packed codes, scales, zero points, by role, in cpu memory. */
  readonly packed: readonly BufferContents[];
  /** Stored bytes: everything packed, and 16 bits for every entry of exact tokens. */
  readonly bytes: number;
  /** `bytes` in bits per entry of the tensor. */
  readonly bitsPerEntry: number;
  /** The settings that the family resolved. */
  readonly settings: Settings;
}

/**
 * Quantizes a tensor of `[heads, capacity, headDim]` float32 entries, all tokens filled, and restores
 * it. In cpu memory the TypeScript arithmetic runs; on a GPU device that the caller hands in, the
 * WGSL kernels do.
 *
 * @param tensor keys after RoPE, or values
 * @param options family, widths and what else the family takes
 * @throws {QuantizerError} for settings that the family cannot express, entries that are not finite,
 *   or a tensor that the settings read and that was not given
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { quantize } from "@kvreplay/kvreplay/quant";
 *
 * const data = Float32Array.from({ length: 2 * 64 * 32 }, (_, i) => Math.sin(i));
 * const keys = { heads: 2, capacity: 64, headDim: 32, data };
 * const { restored, bitsPerEntry } = await quantize(keys, {
 *   family: "kivi",
 *   bits: 2,
 *   groupSize: 32,
 * });
 * // Two bits a code, and a 16-bit scale and zero point for each group of 32.
 * assertEquals(bitsPerEntry, 2 + 32 / 32);
 * assertEquals(restored.data.length, data.length);
 * ```
 */
export function quantize(
  tensor: CpuTensor,
  options: QuantizeOptions<CpuTensor>,
): Promise<Quantized<CpuTensor>>;
/** The same on a GPU; `device` is the one that the tensor's buffer belongs to. */
export function quantize(
  tensor: GpuTensor,
  options: QuantizeOptions<GpuTensor> & { readonly device: GPUDevice },
): Promise<Quantized<GpuTensor>>;
export async function quantize(
  tensor: CpuTensor | GpuTensor,
  options: QuantizeOptions<CpuTensor> | QuantizeOptions<GpuTensor> & { readonly device: GPUDevice },
): Promise<Quantized<CpuTensor> | Quantized<GpuTensor>> {
  if ("data" in tensor) {
    checkData(tensor);
    return await quantized(
      new CpuBackend(),
      tensor,
      options as QuantizeOptions<CpuTensor>,
      (family, source, settings, tokens) => family.openCpu(source, settings, tokens),
    );
  }
  const { device, ...rest } = options as QuantizeOptions<GpuTensor> & {
    readonly device: GPUDevice;
  };
  const backend = new GpuBackend(device);
  try {
    return await quantized(
      backend,
      tensor,
      rest,
      (family, source, settings, tokens) => family.openGpu(device, source, settings, tokens),
    );
  } finally {
    backend.close();
  }
}

async function quantized<T extends KvShape>(
  backend: Backend<T>,
  tensor: T,
  options: QuantizeOptions<T>,
  open: (family: Family, source: Source<T>, settings: Settings, tokens: number) => Store<T>,
): Promise<Quantized<T>> {
  const family = typeof options.family === "string"
    ? builtInFamilies.of(options.family)
    : options.family;
  const settings = settingsOf(family, tensor, options);
  const source = sourceOf(family, settings, tensor, options);
  const { heads, capacity: tokens, headDim } = tensor;
  const store = open(family, source, settings, tokens);
  try {
    store.grow(tokens);
    await store.settle();
    const { from, to } = store.quantized;
    const packed = await store.contents();
    const stored = store.buffers(tokens).reduce((sum, b) => sum + b.bytes, 0);
    const restored = backend.alloc({ heads, capacity: tokens, headDim });
    backend.copy(tensor, 0, from, restored, 0);
    backend.copy(tensor, to, tokens - to, restored, to);
    store.restore(restored);
    const exact = (tokens - (to - from)) * heads * headDim * EXACT_BITS / 8;
    const bytes = stored + exact;
    return {
      restored,
      quantized: { from, to },
      packed,
      bytes,
      bitsPerEntry: 8 * bytes / (heads * tokens * headDim),
      settings,
    };
  } finally {
    store.free();
  }
}

function settingsOf<T extends KvShape>(
  family: Family,
  { heads, headDim }: T,
  options: QuantizeOptions<T>,
): Settings {
  const { family: _, bits, kind = "key", axis, residualLength = 0, samples, layer = 0 } = options;
  const { preRope: _p, rope: _r, queries: _q, keys: _k, ...given } = options;
  const settings = settingsFor(family, {
    ...given,
    layer,
    kind,
    bits: typeof bits === "number" ? new Array<number>(heads).fill(bits) : bits,
    axis: axis ?? axesOf(family, kind)[0]!,
    residualLength,
    calibrationMode: samples === undefined ? "none" : "offline",
  }, { heads, headDim });
  if (settings.calibrated !== true) return settings;
  if (family.calibrate === undefined || samples === undefined) {
    throw new QuantizerError(
      `Family "${family.name}" learns offline under these settings; give it samples to learn from`,
    );
  }
  return { ...settings, calibration: family.calibrate(samples, settings) };
}

function sourceOf<T extends KvShape>(
  family: Family,
  settings: Settings,
  tensor: T,
  { preRope, rope, queries, keys }: QuantizeOptions<T>,
): Source<T> {
  const needs = family.needs(settings);
  const { layer, kind } = settings;
  const missing = (what: string) =>
    new QuantizerError(`Family "${family.name}" reads ${what} under these settings; give it those`);
  if (needs.preRope && kind === "key" && (preRope === undefined || rope === undefined)) {
    throw missing("preRope and rope");
  }
  if (needs.queries && queries === undefined) throw missing("queries");
  if (needs.queries && kind === "value" && keys === undefined) throw missing("keys");
  const siblings: Source<T>[] = [];
  const source: Source<T> = {
    layer,
    kind,
    tensor,
    promptTokens: tensor.capacity,
    siblings,
    shared: new Map(),
    ...(preRope === undefined || rope === undefined ? {} : { preRope, rope }),
    ...(queries === undefined ? {} : { queries, keys: keys ?? tensor }),
  };
  siblings.push(source);
  return source;
}

function checkData({ data, heads, capacity, headDim }: CpuTensor): void {
  const entries = heads * capacity * headDim;
  if (data.length !== entries || entries === 0) {
    throw new QuantizerError(
      `The tensor holds ${data.length} entries; [${heads}, ${capacity}, ${headDim}] needs ` +
        `${entries}, and at least one`,
    );
  }
}
