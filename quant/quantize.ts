/**
 * Quantizing one tensor without a model: what a family makes of keys or values that are at hand.
 *
 * @module
 */
import { CpuBackend } from "./backend_cpu.ts";
import type { CalibrationSamples } from "./calibration.ts";
import { EXACT_BITS } from "./families/exact/exact.ts";
import {
  type Axis,
  type BufferContents,
  type Family,
  type HookAnswers,
  KV_KINDS,
  type KvKind,
  type Settings,
  type Source,
  type Store,
} from "./family.ts";
import { GpuBackend } from "./gpu/backend_gpu.ts";
import { type AnswerType, fits, inWords } from "./answer_type.ts";
import { axesOf, takenHooks } from "./declared.ts";
import { answerName } from "./hooks.ts";
import { checkReadable } from "./gpu/readable.ts";
import { ownFamily } from "./own_family.ts";
import { learn } from "./learned.ts";
import { QuantizerError } from "./quantizer_error.ts";
import { keepSamples } from "./sample_keeper.ts";
import { settingsFor } from "./settings_for.ts";
import { builtInFamilies, families, type FamilyName } from "./registry.ts";
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
  checkShape("tensor", tensor);
  if (Object(options) !== options) {
    throw new QuantizerError(`The options are ${options}; give at least a family and bits`);
  }
  if ("data" in tensor) {
    if ("device" in options && options.device !== undefined) {
      throw new QuantizerError(
        `The tensor is in cpu memory and the device is ${options.device}; leave the device out`,
      );
    }
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
  if (!(device instanceof GPUDevice)) {
    throw new QuantizerError(
      `The tensor is in a GPU buffer and the device is ${device}; give the device of the buffer`,
    );
  }
  await checkReadable(device, buffersOf(tensor, rest));
  const backend = new GpuBackend(device);
  try {
    return await quantized(
      backend,
      tensor,
      rest,
      (family, source, settings, tokens) => family.openGpu(device, source, settings, tokens),
    );
  } catch (error) {
    // A lost device says nothing before something is read back from it.
    if (!(error instanceof DOMException && error.name === "OperationError")) throw error;
    throw new QuantizerError(
      `Nothing can be read from the device (${error.message}); give one that is neither lost nor ` +
        `destroyed`,
      { cause: error },
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
  const family = familyOf(options.family);
  checkOptions(family, tensor, options);
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
    try {
      backend.copy(tensor, 0, from, restored, 0);
      backend.copy(tensor, to, tokens - to, restored, to);
      store.restore(restored);
    } catch (error) {
      backend.free(restored);
      throw error;
    }
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
  if (samples === undefined) {
    throw new QuantizerError(
      `Family "${family.name}" learns offline under these settings; give it samples to learn from`,
    );
  }
  return { ...settings, calibration: learn(family, keepSamples(samples), settings) };
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

function familyOf(family: FamilyName | Family): Family {
  if (typeof family === "string") return builtInFamilies.of(family);
  return Object.values<unknown>(families).includes(family) ? family : ownFamily(family);
}

/** Options that are no hook's answer. */
const PLAIN_OPTIONS = [
  "family",
  "bits",
  "kind",
  "axis",
  "residualLength",
  "preRope",
  "rope",
  "queries",
  "keys",
  "samples",
  "layer",
  "seed",
] as const satisfies readonly (keyof QuantizeOptions<KvShape>)[];

function checkOptions<T extends KvShape>(
  family: Family,
  tensor: T,
  options: QuantizeOptions<T>,
): void {
  const { bits, kind = "key", axis = "token", residualLength = 0, layer = 0, seed = 0 } = options;
  const { preRope, rope, queries, keys, samples } = options;
  const asWidth = (
    width: unknown,
  ): [string, unknown, AnswerType] => ["bits", width, { is: "integer", least: 1 }];
  const known = [...PLAIN_OPTIONS, ...takenHooks(family).map(answerName)];
  for (const [name, value] of Object.entries(options)) {
    if (known.includes(name) || value === undefined) continue;
    throw new QuantizerError(
      `Family "${family.name}" takes no ${name}; expected some of ${known.join(", ")}`,
    );
  }
  const checked: [string, unknown, AnswerType][] = [
    ["kind", kind, { is: "one of", names: KV_KINDS }],
    ["axis", axis, { is: "one of", names: ["channel", "token"] }],
    ["residualLength", residualLength, { is: "integer", least: 0 }],
    ["layer", layer, { is: "integer", least: 0 }],
    ["seed", seed, { is: "integer", least: 0, most: 2 ** 32 - 1 }],
    ...(Array.isArray(bits) ? bits : [bits]).map(asWidth),
  ];
  for (const [name, value, type] of checked) {
    if (fits(type, value)) continue;
    const shown = typeof value === "string" ? `"${value}"` : String(value);
    throw new QuantizerError(`The option ${name} is ${shown}; expected ${inWords(type)}`);
  }
  const { heads, capacity, headDim } = tensor;
  if (samples !== undefined) checkSamples(samples);
  if (preRope !== undefined) checkBeside("preRope", preRope, tensor, tensor);
  if (keys !== undefined) checkBeside("keys", keys, tensor, tensor);
  if (queries !== undefined) {
    checkShape("queries", queries);
    const queryHeads = heads * Math.ceil(queries.heads / heads);
    checkBeside("queries", queries, { heads: queryHeads, capacity, headDim }, tensor);
  }
  if (rope !== undefined) {
    for (const [name, table] of Object.entries({ "rope.cos": rope.cos, "rope.sin": rope.sin })) {
      checkShape(name, table);
      const positions = Math.max(capacity, table.capacity);
      checkBeside(name, table, { heads: 1, capacity: positions, headDim: headDim / 2 }, tensor);
    }
  }
}

/** Buffers that the caller hands in. */
function buffersOf(
  tensor: GpuTensor,
  { preRope, rope, queries, keys }: QuantizeOptions<GpuTensor>,
): GPUBuffer[] {
  return [tensor, preRope, rope?.cos, rope?.sin, queries, keys]
    .flatMap((given) => given?.buffer instanceof GPUBuffer ? [given.buffer] : []);
}

/** Samples hold tensors of every layer. */
function checkSamples(samples: Partial<CalibrationSamples>): void {
  const filled = (name: string, list: unknown): readonly unknown[] => {
    if (Array.isArray(list) && list.length > 0) return list;
    const what = Array.isArray(list) ? "an empty list" : String(list);
    throw new QuantizerError(`The samples have ${what} as ${name}; expected one of them at least`);
  };
  for (const layer of filled("layers", Object(samples).layers)) {
    for (const name of ["keys", "preRopeKeys", "values", "queries"]) {
      for (const tensor of filled(name, Object(layer)[name])) {
        checkShape(`${name} of the samples`, tensor as KvShape);
      }
    }
  }
}

/** A tensor that goes with the one that is quantized: of a shape, and in the same memory. */
function checkBeside(name: string, given: KvShape, want: KvShape, tensor: KvShape): void {
  checkShape(name, given);
  const fits = given.heads === want.heads && given.capacity === want.capacity &&
    given.headDim === want.headDim;
  if (!fits) {
    throw new QuantizerError(
      `The ${nameOf(name)} is shaped ${shapeText(given)}; it goes with the tensor when it is ` +
        shapeText(want),
    );
  }
  if ("data" in given !== "data" in tensor) {
    const where = "data" in given ? "cpu memory" : "a GPU buffer";
    throw new QuantizerError(
      `The ${nameOf(name)} is in ${where}, but the tensor is not; give both alike`,
    );
  }
}

/** A tensor has a shape, and memory that holds it. */
function checkShape(name: string, tensor: Partial<CpuTensor & GpuTensor>): void {
  if (Object(tensor) !== tensor) {
    throw new QuantizerError(
      `The ${nameOf(name)} is ${tensor}; expected heads, capacity, headDim and data`,
    );
  }
  const { heads, capacity, headDim, data, buffer } = tensor;
  const shape = { heads, capacity, headDim } as KvShape;
  const sizes = [heads, capacity, headDim] as readonly number[];
  if (!sizes.every((size) => Number.isInteger(size) && size >= 1)) {
    throw new QuantizerError(
      `The ${nameOf(name)} is shaped ${shapeText(shape)}; expected whole numbers of at least 1`,
    );
  }
  const entries = sizes.reduce((product, size) => product * size);
  if (data === undefined && buffer instanceof GPUBuffer) {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
    if (buffer.size < 4 * entries || (buffer.usage & usage) !== usage) {
      throw new QuantizerError(
        `The ${nameOf(name)} has a buffer of ${buffer.size} bytes with usage ${buffer.usage}; ` +
          `${shapeText(shape)} needs ${4 * entries}, and STORAGE and COPY_SRC`,
      );
    }
    return;
  }
  if (!(data instanceof Float32Array)) {
    throw new QuantizerError(
      `The ${nameOf(name)} has ${
        data === undefined ? "no data" : "data of another type"
      }; expected a Float32Array or a GPUBuffer`,
    );
  }
  if (data.length !== entries) {
    throw new QuantizerError(
      `The ${nameOf(name)} holds ${data.length} entries; ${shapeText(shape)} needs ${entries}`,
    );
  }
}

function nameOf(tensor: string): string {
  return tensor === "tensor" ? tensor : `tensor ${tensor}`;
}

function shapeText({ heads, capacity, headDim }: KvShape): string {
  return `[${heads}, ${capacity}, ${headDim}]`;
}
