/**
 * What a quantizer family is: the interface that every family implements, and the settings it is
 * given. A family decides which tokens of a cache are quantized, turns them into packed words plus
 * parameters, restores them, and says how many bytes its buffers hold.
 *
 * @module
 */
import type { Calibration, KeptSamples, Noise, Sensitivity } from "./calibration.ts";
import type { AnswerType } from "./answer_type.ts";
import type { AnswersTo, HookValue, OptionalHook } from "./hooks.ts";
import type { CpuTensor, GpuTensor, KvShape, TokenRange } from "./tensor.ts";

/**
 * The two tensors a layer caches.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { families, KV_KINDS, type KvKind } from "@kvreplay/kvreplay/quant";
 *
 * // Directions of groups that SKVQ takes.
 * const axes = (kind: KvKind) => families.skvq.axes![kind];
 * assertEquals(KV_KINDS.map(axes), [["channel", "token"], ["token"]]);
 * ```
 */
export type KvKind = "key" | "value";

/**
 * Both kinds, in the order they are reported.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { KV_KINDS, quantize } from "@kvreplay/kvreplay/quant";
 *
 * const data = Float32Array.from({ length: 64 * 64 }, (_, i) => Math.sin(i));
 * const tensor = { heads: 1, capacity: 64, headDim: 64, data };
 * // More for the keys: they decide which tokens are looked at.
 * const bits = { key: 4, value: 2 };
 * const sizes = await Promise.all(
 *   KV_KINDS.map((kind) => quantize(tensor, { family: "kivi", kind, bits: bits[kind] })),
 * );
 * assertEquals(sizes.map(({ bitsPerEntry }) => bitsPerEntry), [5, 3]);
 * ```
 */
export const KV_KINDS = ["key", "value"] as const;

/**
 * Direction of a quantization group: `"channel"` groups consecutive tokens of one channel,
 * `"token"` groups consecutive channels of one token.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { type Axis, quantize } from "@kvreplay/kvreplay/quant";
 *
 * // Keys have channels that are large in every token.
 * const entry = (_: unknown, i: number) => Math.sin(i) + (i % 64 === 5 ? 9 : 0);
 * const data = Float32Array.from({ length: 64 * 64 }, entry);
 * const lost = async (axis: Axis) => {
 *   const keys = { heads: 1, capacity: 64, headDim: 64, data };
 *   const { restored } = await quantize(keys, { family: "kivi", bits: 2, axis });
 *   return Math.hypot(...restored.data.map((x, i) => x - data[i]!));
 * };
 * assert(await lost("channel") < await lost("token"));
 * ```
 */
export type Axis = "channel" | "token";

/**
 * What a policy answered for one layer and kind, after type and range checks but before any family
 * rule. Hooks that the policy has not are absent.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { families, type HookAnswers, settingsFor } from "@kvreplay/kvreplay/quant";
 *
 * const answers: HookAnswers = {
 *   layer: 0, kind: "key", bits: [2, 2], axis: "channel", residualLength: 0, groupSize: 16,
 *   calibrationMode: "none",
 * };
 * const { groupSize, clipRatio } = settingsFor(families.kivi, answers, { heads: 2, headDim: 64 });
 * assertEquals([groupSize, clipRatio], [16, 1]);
 * ```
 */
export interface HookAnswers extends Partial<AnswersTo<OptionalHook>> {
  /** Layer, from 0. */
  readonly layer: number;
  /** Keys or values. */
  readonly kind: KvKind;
  /** Code width per KV head, 1..8. */
  readonly bits: readonly number[];
  /** Direction of the groups. */
  readonly axis: Axis;
  /** Tokens the policy wants kept exact at the recent end. */
  readonly residualLength: number;
  /** `"none"` or `"offline"`, as the policy chose for the run. */
  readonly calibrationMode: "none" | "offline";
  /** Seed of the run, for families that draw at random; absent means 0. */
  readonly seed?: number;
  /** The policy's lesson: what its `calibrate` returned, handed through untouched. */
  readonly lesson?: unknown;
}

/**
 * Settings of one layer and kind as a family will apply them; JSON-serialisable apart from calibration.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { quantize, type Settings } from "@kvreplay/kvreplay/quant";
 *
 * const inWords = ({ family, bits, paramDtype }: Settings) =>
 *   `${family}: ${bits.join(", ")} bits, parameters in ${paramDtype}`;
 * const data = Float32Array.from({ length: 2 * 32 * 64 }, (_, i) => Math.sin(i));
 * const keys = { heads: 2, capacity: 32, headDim: 64, data };
 * const { settings } = await quantize(keys, { family: "uniform", bits: [2, 4] });
 * assertEquals(inWords(settings), "uniform: 2, 4 bits, parameters in f16");
 * ```
 */
export interface Settings {
  /** Name of the family. */
  readonly family: string;
  /** Layer, from 0. */
  readonly layer: number;
  /** Keys or values. */
  readonly kind: KvKind;
  /** Code width per KV head. */
  readonly bits: readonly number[];
  /** Precision in which scales and zero points are stored. */
  readonly paramDtype: "f16" | "f32" | "fp8";
  /** True when the replay must call the family's `calibrate` and fill in `calibration`. */
  readonly calibrated?: boolean;
  /** What `calibrate` returned for these settings. */
  readonly calibration?: Calibration;
  /** Where these settings depart from the family's official rules, one clause each. */
  readonly deviations?: readonly string[];
}

/**
 * The real tensors of one layer and kind, and what attention-aware families may need beside them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { CpuTensor, Source } from "@kvreplay/kvreplay/quant";
 *
 * // Largest entry of the first head's prompt, where decoded tokens are not to move a range.
 * const reach = ({ tensor, promptTokens }: Source<CpuTensor>) =>
 *   Math.max(...tensor.data.subarray(0, promptTokens * tensor.headDim));
 * const tensor = { heads: 1, capacity: 3, headDim: 2, data: Float32Array.of(1, 2, 4, 3, 9, 0) };
 * const place = { layer: 0, kind: "value", siblings: [], shared: new Map() } as const;
 * assertEquals(reach({ ...place, tensor, promptTokens: 2 }), 4);
 * ```
 */
export interface Source<T extends KvShape> {
  /** Layer, from 0. */
  readonly layer: number;
  /** Keys or values. */
  readonly kind: KvKind;
  /** Keys after RoPE, or values; `capacity` covers every snapshot that will be asked for. */
  readonly tensor: T;
  /** Keys before RoPE, same shape; present when the family's `needs` asked for them. */
  readonly preRope?: T;
  /** Rotary tables `[1, positions, headDim / 2]`, present together with `preRope`. */
  readonly rope?: { readonly cos: T; readonly sin: T };
  /** Queries after RoPE of this layer, `[queryHeads, capacity, headDim]`, when `needs` asked for them. */
  readonly queries?: T;
  /** Keys after RoPE of this layer (for attention weights), when queries are present. */
  readonly keys?: T;
  /** Tokens of the prompt that were prefilled (positions from there on were decoded). */
  readonly promptTokens: number;
  /** Sources of every layer of this kind, in layer order, for families that couple layers. */
  readonly siblings: readonly Source<T>[];
  /** Room for work shared by the stores of one cache, keys and values (keyed by the family). */
  readonly shared: Map<string, unknown>;
}

/**
 * One buffer of a store, for accounting and audit.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { StoredBuffer } from "@kvreplay/kvreplay/quant";
 *
 * // Mean width of the codes, over heads that have different ones.
 * const codeBits = ({ bits = [], codes = [] }: StoredBuffer) =>
 *   codes.reduce((sum, count, head) => sum + count * bits[head]!, 0) /
 *   codes.reduce((sum, count) => sum + count, 0);
 * assertEquals(codeBits({ role: "codes", bytes: 96, bits: [2, 4], codes: [128, 128] }), 3);
 * ```
 */
export interface StoredBuffer {
  /** `codes`, `scale`, `zero`, `outlier_values`, … */
  readonly role: string;
  /** Bytes in use. */
  readonly bytes: number;
  /** Width of one code, for `codes` buffers: per head, or one mean where widths vary by group. */
  readonly bits?: readonly number[];
  /** Number of codes held, for `codes` buffers, in the order of `bits`. */
  readonly codes?: readonly number[];
}

/**
 * Memory that decoding under a store needs besides the cache: matrices, levels, tables, orders. It is
 * there once per model, however many tokens are cached.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bytesOfConstant, type ConstantBuffer } from "@kvreplay/kvreplay/quant";
 *
 * // Stores that hold the same memory name the same object, so that it is counted once.
 * const levels = Float32Array.of(-1, 0, 1);
 * const constants: ConstantBuffer[] = [
 *   { role: "levels", memory: levels },
 *   { role: "levels", memory: levels },
 *   { role: "order", memory: Uint8Array.of(1, 0) },
 * ];
 * const distinct = [...new Map(constants.map((c) => [c.memory, c])).values()];
 * assertEquals(distinct.map(bytesOfConstant), [12, 2]);
 * ```
 */
export interface ConstantBuffer {
  /** What it holds: `rotation`, `codebook`, `order`, … */
  readonly role: string;
  /** The memory itself: an array in host memory, or a buffer of a device. */
  readonly memory: ArrayBufferView | GPUBuffer;
}

/**
 * Bytes of a constant.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bytesOfConstant } from "@kvreplay/kvreplay/quant";
 *
 * assertEquals(bytesOfConstant({ role: "matrix", memory: new Float32Array(64 * 64) }), 16384);
 * ```
 */
export function bytesOfConstant({ memory }: ConstantBuffer): number {
  return "byteLength" in memory ? memory.byteLength : memory.size;
}

/**
 * What one buffer of a store holds.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type BufferContents, quantize } from "@kvreplay/kvreplay/quant";
 *
 * const wordsOf = (packed: readonly BufferContents[], name: string) =>
 *   packed.find(({ role }) => role === name)!.words;
 * const data = Float32Array.from({ length: 64 }, (_, i) => i % 4);
 * const values = { heads: 1, capacity: 1, headDim: 64, data };
 * const { packed } = await quantize(values, { family: "uniform", bits: 2 });
 * // Sixteen codes of two bits in a word, the first lowest: 0, 1, 2, 3 and so on.
 * assertEquals(wordsOf(packed, "codes")[0], 0b11100100_11100100_11100100_11100100);
 * ```
 */
export interface BufferContents {
  /** The role under which `buffers` lists it. */
  readonly role: string;
  /** The whole buffer, room for tokens still to come included. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** Bytes of them that are in use, where the last word is not full. */
  readonly bytes?: number;
}

/**
 * The quantized cache of one layer and kind while one example is replayed. It grows from snapshot
 * to snapshot; a group is quantized once, when it first falls into the quantized range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type CpuTensor, families, settingsFor, type Store } from "@kvreplay/kvreplay/quant";
 *
 * const tensor = { heads: 1, capacity: 96, headDim: 64, data: new Float32Array(96 * 64).fill(1) };
 * const place = { layer: 0, kind: "value", calibrationMode: "none" } as const;
 * const answers = { ...place, bits: [2], axis: "token", residualLength: 32 } as const;
 * const settings = settingsFor(families.kivi, answers, tensor);
 * const source = { ...place, tensor, promptTokens: 64, siblings: [], shared: new Map() };
 * const store: Store<CpuTensor> = families.kivi.openCpu(source, settings, 96);
 * store.grow(64);
 * assertEquals(store.quantized, { from: 0, to: 32 });
 * store.grow(96);
 * assertEquals(store.quantized, { from: 0, to: 64 });
 * ```
 */
export interface Store<T extends KvShape> {
  /** Token positions that are quantized now. */
  readonly quantized: TokenRange;
  /** True for caches that by definition re-quantize their own store (hf_*): never started afresh. */
  readonly carriesState?: boolean;
  /** True when `buffers` can only be told after `settle` (sizes that depend on device data). */
  readonly sizesNeedSettle?: boolean;
  /** Whether bringing the store to `n` tokens would change tokens that were restorable before (hf caches). */
  rewrites(n: number): boolean;
  /** Brings the store to a snapshot of the first `n` tokens; `n` never decreases. */
  grow(n: number): void;
  /** Waits for what another thread does of `grow`, and throws what that threw; absent for most stores. */
  finish?(): void;
  /** Has another thread begin what `restore` will want; absent for most stores. */
  prepare?(): void;
  /** Writes every quantized token's restored values to its own position in `target`. */
  restore(target: T): void;
  /** Waits for sizes and errors that are only known after device work; throws on non-finite input. */
  settle(): Promise<void>;
  /** The buffers as they were when the store held `n` tokens (an `n` given to `grow`); after `settle`. */
  buffers(n: number): readonly StoredBuffer[];
  /** The buffers themselves, read back to cpu memory: for audits and tests. */
  contents(): Promise<readonly BufferContents[]>;
  /** What decoding needs besides the cache; absent for a store that needs nothing. */
  constants?(): readonly ConstantBuffer[];
  /** Frees device memory. */
  free(): void;
}

/**
 * What a family needs beside keys and values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { families, type Needs, settingsFor } from "@kvreplay/kvreplay/quant";
 *
 * // What `quantize` has to be given besides the tensor.
 * const besides = ({ preRope = false, queries = false }: Needs) =>
 *   Object.entries({ preRope, rope: preRope, queries }).flatMap(([name, it]) => it ? [name] : []);
 * const place = { layer: 0, kind: "key", calibrationMode: "none" } as const;
 * const answers = { ...place, bits: [2], axis: "channel", residualLength: 32 } as const;
 * const settings = settingsFor(families.squat, answers, { heads: 1, headDim: 64 });
 * assertEquals(besides(families.squat.needs(settings)), ["queries"]);
 * ```
 */
export interface Needs {
  /** Keys before RoPE, and the rotary tables. */
  readonly preRope?: boolean;
  /** Queries of the layer. */
  readonly queries?: boolean;
}

/**
 * Where settings keep an answer, so that an audit can tell whether it was applied.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Kept, Settings } from "@kvreplay/kvreplay/quant";
 *
 * interface Rounded extends Settings {
 *   readonly tokensKept: number;
 * }
 * // A window that is kept in pairs of tokens.
 * const window: Kept<Rounded, number> = {
 *   kept: ({ tokensKept }) => tokensKept,
 *   expressed: (asked) => 2 * Math.ceil(asked / 2),
 * };
 * assertEquals(window.expressed?.(5, {} as Rounded), 6);
 * ```
 */
export interface Kept<S extends Settings, Value> {
  /** The setting that keeps it; absent: the one that is named as the answer or the option. */
  kept?(settings: S): unknown;
  /** What that setting says for an answer; absent: the answer itself. */
  expressed?(asked: Value, settings: S): unknown;
}

/**
 * How a family takes a hook.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { families, type Settings, type Taken } from "@kvreplay/kvreplay/quant";
 *
 * const groups: Taken<Settings, number> = { absent: 32, value: { is: "integer", least: 1 } };
 * assertEquals(families.kivi.hooks?.group_size, groups);
 * ```
 */
export interface Taken<S extends Settings, Value = unknown> extends Kept<S, Value> {
  /** What holds when a policy says nothing. */
  readonly absent?: Value;
  /** The same in words, where `resolve` finds it: it depends on the model or on other answers. */
  readonly absentRule?: string;
  /** What the family can express, when that is not all that the hook allows. */
  readonly value?: AnswerType;
}

/**
 * A setting of one family that no hook names; policies give it in `family_options`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { families, type FamilyOption, type Settings } from "@kvreplay/kvreplay/quant";
 *
 * const search: FamilyOption<Settings, boolean> = {
 *   value: { is: "boolean" },
 *   absent: true,
 *   means: "whether zero points are searched for",
 * };
 * assertEquals(families.hf_hqq.options?.optimize, search);
 * ```
 */
export interface FamilyOption<S extends Settings, Value = unknown> extends Taken<S, Value> {
  /** What it may be. */
  readonly value: AnswerType;
  /** What it is, for readers of docs/policies.md. */
  readonly means: string;
  /** Whether it is about keys alone; values are as without it. */
  readonly keysOnly?: true;
  /** Axes that can be asked for together with it, beside those of the family. */
  readonly axes?: readonly Axis[];
}

/**
 * Directions of groups that a family takes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Axes, families, type Settings } from "@kvreplay/kvreplay/quant";
 *
 * const perToken: Axes<Settings> = {
 *   key: ["token"],
 *   value: ["token"],
 *   because: "groups the channels of one token",
 * };
 * assertEquals(families.uniform.axes, perToken);
 * ```
 */
export interface Axes<S extends Settings> extends Kept<S, Axis> {
  /** For keys. */
  readonly key: readonly Axis[];
  /** For values. */
  readonly value: readonly Axis[];
  /** Why there are no others, after the family's name: `groups the channels of one token`. */
  readonly because?: string;
}

/**
 * Defaults for all options that must not be absent.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Defaults } from "@kvreplay/kvreplay/quant";
 *
 * interface Options {
 *   readonly rotation: "qr" | "hadamard";
 *   readonly seed?: number;
 * }
 * // The seed may be absent, so that there is no default to give.
 * const defaults: Defaults<Options> = { rotation: { absent: "qr" } };
 * assertEquals(defaults.rotation.absent, "qr");
 * ```
 */
export type Defaults<Given> = {
  readonly [K in keyof Given as undefined extends Given[K] ? never : K]-?: {
    readonly absent: Given[K];
  };
};

/**
 * What a family resolves: checked answers, the hooks `Filled` with the family's default where a policy
 * said nothing, the family's options likewise. Hooks that the family does not declare are left out.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { FamilyAnswers } from "@kvreplay/kvreplay/quant";
 *
 * // The group is there, whether or not the policy has `group_size`.
 * const groups = ({ groupSize }: FamilyAnswers<"group_size">, headDim: number) => headDim / groupSize;
 * assertEquals(
 *   groups({
 *     layer: 0, kind: "key", bits: [4], axis: "token", residualLength: 0, calibrationMode: "none",
 *     groupSize: 32, options: {},
 *   }, 64),
 *   2,
 * );
 * ```
 */
export type FamilyAnswers<Filled extends OptionalHook = never, Options extends object = object> =
  & HookAnswers
  & AnswersTo<Filled>
  & { readonly options: Readonly<Record<string, unknown>> & Options };

/**
 * A quantizer family. What it takes from a policy it declares; `settingsFor` checks answers by that,
 * fills in defaults and lets `resolve` add the family's own rules.
 *
 * `Filled` names the hooks that have a default, `Options` the family's options by type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { families, type Family, quantize } from "@kvreplay/kvreplay/quant";
 *
 * // The arithmetic of another family, at one width and with a window that is never empty.
 * const mine: Family = {
 *   ...families.uniform,
 *   name: "mine",
 *   source: "this example",
 *   widths: [2],
 *   window: { expressed: (asked) => Math.max(asked, 8) },
 *   resolve: (answers, shape) => ({
 *     ...families.uniform.resolve({ sinkTokens: 0, ...answers }, shape),
 *     family: "mine",
 *     residualLength: Math.max(answers.residualLength, 8),
 *   }),
 * };
 * const data = Float32Array.from({ length: 32 * 64 }, (_, i) => Math.sin(i));
 * const values = { heads: 1, capacity: 32, headDim: 64, data };
 * const { quantized } = await quantize(values, { family: mine, bits: 2, kind: "value" });
 * assertEquals(quantized, { from: 0, to: 24 });
 * ```
 */
export interface Family<
  S extends Settings = Settings,
  Filled extends OptionalHook = never,
  Options extends object = object,
> {
  /** Name that a policy returns from `quantizer_family`. */
  readonly name: string;
  /** Paper, repository and commit the arithmetic follows. */
  readonly source: string;
  /** Code widths it can store. */
  readonly widths: readonly number[];
  /** Optional hooks it takes; any other hook that a policy defines is reported as ignored. */
  readonly hooks?:
    & { readonly [H in OptionalHook]?: Taken<S, HookValue<H>> }
    & { readonly [H in Filled]: { readonly absent: HookValue<H> } };
  /** Its own options. */
  readonly options?:
    & Readonly<Record<string, FamilyOption<S>>>
    & { readonly [K in keyof Options]-?: FamilyOption<S, Options[K]> }
    & Defaults<Options>;
  /** Axes it takes; absent: both, for keys and values alike. */
  readonly axes?: Axes<S>;
  /** How it keeps the residual length, where it is not the number that was asked for. */
  readonly window?: Kept<S, number>;
  /**
   * When it learns offline: `"never"` (when absent) and `"always"` leave the policy one
   * `calibration_mode`, `"either"` leaves it both; names of options: when one of them is true.
   */
  readonly calibration?: "never" | "always" | "either" | readonly string[];
  /** Whether `resolve` looks at the policy's lesson; else the run says that it was not used. */
  readonly takesLesson?: boolean;
  /** Whether codes are entropy coded, so that what is stored depends on the data. */
  readonly entropyCoded?: boolean;
  /**
   * Whether layers of a kind are coded together under these settings: then every layer must have the
   * same, and a plan that has others for some is refused. Absent: every layer is coded by itself.
   */
  couplesLayers?(settings: S): boolean;
  /**
   * Whether values are decoded from keys under these settings: then keys and values must have the same,
   * and a plan that has others for one kind is refused. Absent: each kind is coded by itself.
   */
  couplesKinds?(settings: S): boolean;
  /**
   * Applies the family's own rules.
   *
   * @param answers checked and complete, see `settingsFor`
   * @throws {QuantizerError} for a combination the family cannot express, naming layer and kind
   */
  resolve(
    answers: FamilyAnswers<Filled, Options>,
    shape: { readonly heads: number; readonly headDim: number },
  ): S;
  /**
   * Learns what these settings need from samples that are never scored. Called for settings that
   * say `calibrated`, once per layer and kind; the same samples and settings give the same result.
   */
  calibrate?(samples: KeptSamples, settings: S): Calibration;
  /**
   * The settings, besides layer and kind, that `calibrate` looks at: those that agree in them share
   * what is learned. Absent: all settings.
   */
  learnsBy?(settings: S): Readonly<Record<string, unknown>>;
  /**
   * What a store under these settings is given of what `calibrate` returned, for a family that learns
   * more than one setting needs. Absent: what `calibrate` returned.
   */
  fit?(learned: Calibration, settings: S): Calibration;
  /**
   * Noise that predictions are watched under, for `statistics`. Asked for once, while samples still
   * come: what is given is kept of those so far.
   */
  noise?(samples: KeptSamples): Noise;
  /**
   * What policies may know of the samples to choose this family's settings: plain data that JSON can
   * hold, published to `calibrate` of every policy as `statistics.families` under the family's name.
   * It may be a promise.
   *
   * @param sensitivity how much predictions suffer from the family's `noise` in each layer; no entry
   *   for a family without
   */
  statistics?(samples: KeptSamples, sensitivity: readonly Sensitivity[]): unknown;
  /** Tensors beside the KV cache that these settings read. */
  needs(settings: S): Needs;
  /** Which token positions of a snapshot of `n` tokens are quantized. */
  quantizedRange(settings: S, n: number): TokenRange;
  /** Opens an empty store in cpu memory for snapshots of up to `tokens` tokens. */
  openCpu(source: Source<CpuTensor>, settings: S, tokens: number): Store<CpuTensor>;
  /** Opens an empty store on a GPU for snapshots of up to `tokens` tokens. */
  openGpu(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: S,
    tokens: number,
  ): Store<GpuTensor>;
}
