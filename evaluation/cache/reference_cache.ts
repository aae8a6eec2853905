/**
 * References on disk, so that a second run starts at the replay. A payload holds the ids of prompt
 * and answer, the logits, and keys and values of every layer, in float32 as the first run made them.
 *
 * @module
 */
import { sha256 } from "../../engine/digest.ts";
import type { Engine, ModelShape } from "../../engine/engine.ts";
import { CONTRACT_VERSION } from "../../policies/contract.ts";
import type { KvShape } from "../../quant/tensor.ts";
import { argmax, prefilled, type Reference } from "../../replay/reference.ts";
import type { CacheFolder } from "./cache_folder.ts";
import type { Entry, EntryHeader } from "./entry_file.ts";

/** A reference in host memory, as it is kept on disk. */
export interface StoredReference {
  readonly tokens: readonly number[];
  readonly prefillMs: number;
  readonly logits: Float32Array<ArrayBuffer>;
  /** Keys and values of every layer, keys first, `[kvHeads, capacity, headDim]` each. */
  readonly tensors: readonly Float32Array<ArrayBuffer>[];
}

/** The references of one model on one device. */
export class ReferenceCache {
  /** @param origin where the references come from, for who lists them */
  constructor(
    private readonly folder: CacheFolder,
    private readonly origin: Pick<EntryHeader, "model" | "device">,
  ) {}

  /** What an entry depends on: model and engine, prompt, steps allowed, ends, contract version. */
  async key(
    fingerprint: string,
    prompt: readonly number[],
    maxNewTokens: number,
    eosIds: readonly number[],
    stop?: RegExp,
  ): Promise<string> {
    const ends = stop === undefined ? [] : [String(stop)];
    return await sha256(
      JSON.stringify([CONTRACT_VERSION, fingerprint, maxNewTokens, eosIds, prompt, ...ends]),
    );
  }

  /** Whether something lies under a key, unread. */
  async has(key: string): Promise<boolean> {
    return await this.folder.has("references", key);
  }

  /** The entry for a key, or undefined when there is none or it is damaged. */
  async load(
    key: string,
    prompt: readonly number[],
    shape: ModelShape,
  ): Promise<StoredReference | undefined> {
    return await this.folder.read(
      "references",
      key,
      ({ facts: { steps = 0 }, payloadBytes }) =>
        steps > 0 && payloadBytes === referenceBytes(shape, prompt.length, steps),
      (entry) => parse(entry, prompt, shape),
    );
  }

  /**
   * Writes an entry; what cannot be kept costs the entry, not the run.
   *
   * @param since entries used at this time or later do not make room, in milliseconds since 1970
   * @returns whether it was written
   */
  async save<T extends KvShape>(
    key: string,
    engine: Engine<T>,
    reference: Reference<T>,
    since: number,
  ): Promise<boolean> {
    const { prompt, tokens, prefillMs } = reference;
    return await this.folder.write(
      {
        kind: "references",
        key,
        ...this.origin,
        payloadBytes: referenceBytes(engine.shape, prompt.length, tokens.length),
        facts: { steps: tokens.length, prefillMs },
      },
      payloadOf(engine, reference),
      since,
    );
  }

  /** A sentence when the disk has no room for `bytes` more, as far as the limit allows them. */
  async shortage(bytes: number): Promise<string | undefined> {
    return await this.folder.shortage(bytes);
  }
}

/** Bytes that a reference of so many steps takes on disk, but for a header. */
export function referenceBytes(shape: ModelShape, promptTokens: number, steps: number): number {
  const capacity = promptTokens - 1 + steps;
  const words = promptTokens + steps + steps * shape.vocab +
    2 * shape.layers * shape.kvHeads * capacity * shape.headDim;
  return 4 * words;
}

async function* payloadOf<T extends KvShape>(
  { backend }: Engine<T>,
  { prompt, tokens, logits, layers }: Reference<T>,
): AsyncGenerator<Uint8Array> {
  yield bytesOf(Int32Array.from([...prompt, ...tokens]));
  yield bytesOf(logits);
  for (const { key, value } of layers) {
    yield bytesOf(await backend.read(key));
    yield bytesOf(await backend.read(value));
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Undefined when it holds another prompt, or tokens that its logits do not name. */
function parse(
  { header: { facts }, payload }: Entry,
  prompt: readonly number[],
  shape: ModelShape,
): StoredReference | undefined {
  const steps = facts.steps!;
  const { prefillMs } = facts;
  const ids = new Int32Array(payload.buffer, 0, prompt.length + steps);
  const tokens = [...ids.subarray(prompt.length)];
  const floats = new Float32Array(payload.buffer, ids.byteLength);
  const logits = floats.subarray(0, steps * shape.vocab);
  if (
    prefillMs === undefined || prompt.some((id, i) => id !== ids[i]) ||
    tokens.some((id, step) => id !== argmax(logits, step * shape.vocab, shape.vocab))
  ) return undefined;
  const tensor = shape.kvHeads * (prefilled({ prompt }) + steps) * shape.headDim;
  const tensors = Array.from({ length: 2 * shape.layers }, (_, i) => {
    const at = logits.length + i * tensor;
    return floats.subarray(at, at + tensor);
  });
  return { tokens, prefillMs, logits, tensors };
}

/** Brings a stored reference to an engine. */
export function uploadReference<T extends KvShape>(
  engine: Engine<T>,
  prompt: readonly number[],
  stored: StoredReference,
): Reference<T> {
  const { shape, backend } = engine;
  const size = {
    heads: shape.kvHeads,
    capacity: prefilled({ prompt }) + stored.tokens.length,
    headDim: shape.headDim,
  };
  return {
    prompt,
    tokens: stored.tokens,
    prefillMs: stored.prefillMs,
    logits: stored.logits,
    layers: Array.from({ length: shape.layers }, (_, l) => ({
      key: backend.upload(stored.tensors[2 * l]!, size),
      value: backend.upload(stored.tensors[2 * l + 1]!, size),
    })),
  };
}
