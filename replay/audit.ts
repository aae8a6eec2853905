/**
 * Proof of the reported memory: the stores of the largest snapshot are opened once more, and what
 * lies in their buffers is read back, counted and hashed.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import type { Family, HookAnswers, KvKind, Needs, Settings, Store } from "../quant/family.ts";
import { exact } from "../quant/families/exact/exact.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import { builtInFamilies } from "../quant/registry.ts";
import type { KvShape } from "../quant/tensor.ts";
import { notApplied } from "../quant/not_applied.ts";
import { sha256 } from "../engine/digest.ts";
import type { Engine } from "../engine/engine.ts";
import { entriesPerToken } from "./metric.ts";
import type { OpenStore, Plan } from "./quantize.ts";
import type { Reference } from "./reference.ts";
import type { RotaryTables } from "../engine/rotary.ts";
import { snapshot, Sources } from "./snapshot.ts";

/** The step of an example at which its quantized cache was largest. */
export interface PeakStep {
  readonly step: number;
  /** Tokens in the cache. */
  readonly tokens: number;
  /** Bytes as they were counted during the replay. */
  readonly bytes: number;
  readonly plan: Plan;
  /** Step at which the store of each layer and kind was begun. */
  readonly begun: readonly number[];
  readonly needs: Needs;
}

/**
 * One buffer that really exists.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { AuditedBuffer } from "@kvreplay/kvreplay";
 *
 * const bytesOf = (buffers: readonly AuditedBuffer[], role: string) =>
 *   buffers.filter((buffer) => buffer.role === role).reduce((sum, { bytes }) => sum + bytes, 0);
 * const buffers = [{ role: "codes", bytes: 1824 }, { role: "scale_zero", bytes: 456 }];
 * assertEquals(bytesOf(buffers, "codes"), 1824);
 * ```
 */
export interface AuditedBuffer {
  /** What it holds: `codes`, `scale_zero`, … */
  readonly role: string;
  /** Bytes of its words. */
  readonly bytes: number;
}

/**
 * One layer and kind.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type AuditedTensor, open } from "@kvreplay/kvreplay";
 *
 * const bytes = ({ buffers, exactBytes }: AuditedTensor) =>
 *   buffers.reduce((sum, buffer) => sum + buffer.bytes, exactBytes);
 * await using lab = await open("mini", { device: "cpu" });
 * const options = { maxNewTokens: 2, audit: true };
 * const { audit } = await lab.replay({ prompt: "Why?" }, "hf_quanto_4bit", options);
 * const sum = audit!.tensors.map(bytes).reduce((a, b) => a + b);
 * assertEquals(sum, audit!.bytes);
 * ```
 */
export interface AuditedTensor {
  /** Layer, from 0. */
  readonly layer: number;
  /** Keys or values. */
  readonly kind: KvKind;
  /** Family of its store; `exact` where nothing is quantized. */
  readonly family: string;
  /** Mean width of the codes that are stored, per head or for all heads together, in bits. */
  readonly codeBits: readonly number[];
  /** Every buffer of the store. */
  readonly buffers: readonly AuditedBuffer[];
  /** Tokens that are not quantized. */
  readonly exactTokens: number;
  /** 16 bits for every entry of the exact tokens. */
  readonly exactBytes: number;
  /** SHA-256 of the words of all buffers, first 12 hex digits; absent without buffers. */
  readonly wordsHash?: string;
  /** SHA-256 of the restored tensor, exact tokens included, as float32; first 12 hex digits. */
  readonly restoredHash: string;
}

/**
 * The largest snapshot of a policy.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Audit, open } from "@kvreplay/kvreplay";
 *
 * const mebibytes = ({ bytes }: Audit) => bytes / 2 ** 20;
 * await using lab = await open("mini", { device: "cpu" });
 * const options = { maxNewTokens: 2, audit: true };
 * const { numbers, audit } = await lab.replay({ prompt: "Why?" }, "uniform_quant_2bit", options);
 * assertEquals(mebibytes(audit!), numbers.peak_kv_memory_mb);
 * ```
 */
export interface Audit {
  /** Id of the example where the cache was largest. */
  readonly example: string;
  /** Step at which it was, from 0. */
  readonly step: number;
  /** Tokens in the cache then. */
  readonly tokens: number;
  /** Sum over all tensors, buffers and exact tokens. */
  readonly bytes: number;
  /** Layers in order, keys before values. */
  readonly tensors: readonly AuditedTensor[];
}

/** What an audit is given. */
export interface AuditInput<T extends KvShape> {
  readonly engine: Engine<T>;
  readonly open: OpenStore<T>;
  readonly reference: Reference<T>;
  readonly rope: () => RotaryTables<T>;
  /** Name of the policy, for errors. */
  readonly policy: string;
  readonly example: string;
  readonly peak: PeakStep;
  /** What the policy answered for settings of the plan. */
  answersOf(settings: Settings): HookAnswers | undefined;
  /** The family of settings of the plan. */
  familyOf(settings: Settings): Family;
}

const HASH_DIGITS = 12;

/**
 * Opens the stores of the peak again, each for exactly its snapshot, and counts what they hold.
 *
 * @throws {InternalError} when buffers differ from what their stores declare, when the sum differs
 *   from what the replay counted, or when a setting that the policy asked for was not applied
 * @throws {QuantizerError} for the same in a family of the caller's own
 */
export async function audit<T extends KvShape>(input: AuditInput<T>): Promise<Audit> {
  const { open, reference, policy, example, peak } = input;
  const { plan, needs, tokens, step } = peak;
  const sources = new Sources(reference, needs, needs.preRope ? input.rope() : undefined);
  const stores = plan.map((settings) => open(sources, settings, tokens));
  try {
    for (const [i, store] of stores.entries()) {
      for (let s = store.carriesState ? peak.begun[i]! : step; s <= step; s++) {
        store.grow(snapshot(reference, s).tokens);
      }
    }
    for (const store of stores) await store.settle();
    const tensors: AuditedTensor[] = [];
    for (const [i, settings] of plan.entries()) {
      checkSettings(input, settings);
      tensors.push(await auditTensor(input, settings, stores[i]!));
    }
    const bytes = tensors.reduce(
      (sum, c) => sum + c.buffers.reduce((part, b) => part + b.bytes, c.exactBytes),
      0,
    );
    if (bytes !== peak.bytes) {
      const own = plan.find(({ family }) => faultOf(family) === QuantizerError);
      const AuditError = faultOf(own?.family ?? exact.name);
      throw new AuditError(
        `Audit of policy ${policy}, example ${example}: the buffers of step ${step} hold ` +
          `${bytes} bytes, but ${peak.bytes} were reported`,
      );
    }
    return { example, step, tokens, bytes, tensors };
  } finally {
    for (const store of stores) store.free();
  }
}

/** Whose fault it is when a family does not do what it says. */
function faultOf(family: string): typeof InternalError | typeof QuantizerError {
  return family === exact.name || builtInFamilies.has(family) ? InternalError : QuantizerError;
}

function checkSettings<T extends KvShape>(
  { policy, familyOf, answersOf }: AuditInput<T>,
  settings: Settings,
): void {
  const answers = answersOf(settings);
  if (answers === undefined) return;
  const family = familyOf(settings);
  const missing = notApplied(family, answers, settings);
  if (missing.length > 0) {
    const AuditError = faultOf(family.name);
    throw new AuditError(
      `Audit of policy ${policy}, layer ${settings.layer} ${settings.kind}: family "${family.name}" ` +
        `did not apply what was asked for: ${missing.join("; ")}`,
    );
  }
}

async function auditTensor<T extends KvShape>(
  { engine: { backend }, reference, policy, peak: { tokens } }: AuditInput<T>,
  { family, layer, kind }: Settings,
  store: Store<T>,
): Promise<AuditedTensor> {
  const real = reference.layers[layer]![kind];
  const { from, to } = store.quantized;
  const exactTokens = tokens - (to - from);
  const place = `policy ${policy}, layer ${layer} ${kind}`;
  const held = await heldBy(store, tokens, place, faultOf(family));
  const restored = backend.alloc({ heads: real.heads, capacity: tokens, headDim: real.headDim });
  try {
    if (from > 0) backend.copy(real, 0, from, restored, 0);
    if (to < tokens) backend.copy(real, to, tokens - to, restored, to);
    store.restore(restored);
    const values = await backend.read(restored);
    return {
      layer,
      kind,
      family,
      ...held,
      exactTokens,
      exactBytes: exactTokens * entriesPerToken(real) * 2,
      restoredHash: await shortHash([values]),
    };
  } finally {
    backend.free(restored);
  }
}

/** Reads a store's buffers back and holds them against what it declares. */
async function heldBy<T extends KvShape>(
  store: Store<T>,
  tokens: number,
  place: string,
  AuditError: ReturnType<typeof faultOf>,
) {
  const declared = store.buffers(tokens);
  const contents = await store.contents();
  const roles = new Set([...declared, ...contents].map(({ role }) => role));
  const size = (list: readonly { readonly role: string; readonly bytes: number }[], role: string) =>
    list.filter((b) => b.role === role).reduce((sum, b) => sum + b.bytes, 0);
  const buffers = contents.map(({ role, words, bytes }) => ({
    role,
    bytes: bytes ?? words.byteLength,
  }));
  for (const role of roles) {
    const [there, said] = [size(buffers, role), size(declared, role)];
    if (there !== said) {
      throw new AuditError(
        `Audit of ${place}: buffer ${role} has ${there} bytes, but its store declares ${said}`,
      );
    }
  }
  for (const { role, bytes, bits, codes } of declared) {
    const needed = (codes ?? []).reduce((sum, count, h) => sum + count * (bits?.[h] ?? 0), 0);
    // Widths of codes that differ inside a head are means, so rounding may be off by a bit.
    if (8 * bytes < needed - 1) {
      throw new AuditError(
        `Audit of ${place}: buffer ${role} has ${bytes} bytes, too few for ${
          Math.ceil(needed)
        } bits of codes`,
      );
    }
  }
  return {
    buffers,
    codeBits: declared.flatMap((b) => b.bits ?? []),
    ...(contents.length === 0 ? {} : { wordsHash: await shortHash(contents.map((c) => c.words)) }),
  };
}

/** The first digits of the SHA-256 of arrays, one after the other. */
async function shortHash(
  arrays: readonly (Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>)[],
): Promise<string> {
  const bytes = new Uint8Array(arrays.reduce((sum, a) => sum + a.byteLength, 0));
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of arrays) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return (await sha256(bytes)).slice(0, HASH_DIGITS);
}
