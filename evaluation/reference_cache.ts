/**
 * References on disk, so that a second run starts at the replay. An entry is a header (JSON) and the
 * raw float32 tensors behind it; the header carries the SHA-256 of what follows. An entry that does
 * not match in any way is rebuilt, never trusted.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";
import { CONTRACT_VERSION } from "../policies/contract.ts";
import { sha256 } from "../engine/digest.ts";
import type { Engine } from "../engine/engine.ts";
import { prefilled, type Reference } from "../replay/reference.ts";

const MAGIC = "kvreplay reference 1\n";
/** A header is a few hundred bytes plus the prompt's ids. */
const MAX_HEADER = 1 << 24;

interface Header {
  readonly key: string;
  readonly prompt: number[];
  readonly tokens: number[];
  readonly prefillMs: number;
  readonly payloadBytes: number;
  readonly sha256: string;
}

/** A reference in host memory, as it is kept on disk. */
export interface StoredReference {
  readonly tokens: readonly number[];
  readonly prefillMs: number;
  readonly logits: Float32Array<ArrayBuffer>;
  /** Keys and values of every layer, keys first, `[kvHeads, capacity, headDim]` each. */
  readonly tensors: readonly Float32Array<ArrayBuffer>[];
}

/** A folder of references. */
export class ReferenceCache {
  constructor(private readonly folder: string) {}

  /** What an entry depends on: model and engine, prompt, steps allowed, contract version. */
  async key(
    fingerprint: string,
    prompt: readonly number[],
    maxNewTokens: number,
    eosIds: readonly number[],
  ): Promise<string> {
    return await sha256(
      JSON.stringify([CONTRACT_VERSION, fingerprint, maxNewTokens, eosIds, prompt]),
    );
  }

  #path(key: string): string {
    return `${this.folder}/${key.slice(0, 2)}/${key}.kvref`;
  }

  /** The entry for a key, or undefined when there is none or it is damaged. */
  async load(
    key: string,
    prompt: readonly number[],
    shape: Engine["shape"],
  ): Promise<StoredReference | undefined> {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = await Deno.readFile(this.#path(key));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    try {
      return await parse(bytes, key, prompt, shape);
    } catch {
      return undefined;
    }
  }

  /** Writes an entry; a full disk costs the entry, not the run. Returns whether it was written. */
  async save<T extends KvShape>(
    key: string,
    engine: Engine<T>,
    reference: Reference<T>,
  ): Promise<boolean> {
    const parts: Float32Array<ArrayBuffer>[] = [reference.logits];
    for (const { key: k, value } of reference.layers) {
      parts.push(await engine.backend.read(k), await engine.backend.read(value));
    }
    const payload = new Uint8Array(parts.reduce((sum, p) => sum + p.byteLength, 0));
    let at = 0;
    for (const part of parts) {
      payload.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
      at += part.byteLength;
    }
    const header: Header = {
      key,
      prompt: [...reference.prompt],
      tokens: [...reference.tokens],
      prefillMs: reference.prefillMs,
      payloadBytes: payload.byteLength,
      sha256: await sha256(payload),
    };
    // Padded to whole words, so that the tensors behind it can be used where they lie.
    const text = JSON.stringify(header);
    const lead = MAGIC.length + 4;
    const padded = text.padEnd(text.length + (4 - (lead + text.length) % 4) % 4);
    const head = new TextEncoder().encode(padded);
    const path = this.#path(key);
    const temporary = `${path}.${crypto.randomUUID()}.tmp`;
    try {
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      const file = await Deno.open(temporary, { write: true, createNew: true });
      try {
        for (
          const block of [
            new TextEncoder().encode(MAGIC),
            new Uint8Array(new Uint32Array([head.length]).buffer),
            head,
            payload,
          ]
        ) {
          for (let done = 0; done < block.length;) done += await file.write(block.subarray(done));
        }
      } finally {
        file.close();
      }
      await Deno.rename(temporary, path);
      return true;
    } catch (error) {
      await Deno.remove(temporary).catch(() => {});
      if (error instanceof Deno.errors.NotCapable) throw error;
      return false;
    }
  }
}

async function parse(
  bytes: Uint8Array<ArrayBuffer>,
  key: string,
  prompt: readonly number[],
  shape: Engine["shape"],
): Promise<StoredReference | undefined> {
  const decoder = new TextDecoder();
  if (decoder.decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headBytes = view.getUint32(MAGIC.length, true);
  const start = MAGIC.length + 4;
  if (headBytes > MAX_HEADER || start + headBytes > bytes.length) return undefined;
  const header: Header = JSON.parse(decoder.decode(bytes.subarray(start, start + headBytes)));
  const payload = bytes.subarray(start + headBytes);
  const steps = header.tokens.length;
  const capacity = prefilled({ prompt }) + steps;
  const tensor = shape.kvHeads * capacity * shape.headDim;
  const expected = 4 * (steps * shape.vocab + 2 * shape.layers * tensor);
  if (
    header.key !== key || steps === 0 || header.payloadBytes !== expected ||
    payload.length !== expected || header.prompt.length !== prompt.length ||
    header.prompt.some((id, i) => id !== prompt[i]) ||
    header.tokens.some((id) => !Number.isInteger(id) || id < 0 || id >= shape.vocab) ||
    typeof header.prefillMs !== "number" || header.sha256 !== await sha256(payload)
  ) return undefined;
  const floats = new Float32Array(payload.buffer, payload.byteOffset, expected / 4);
  const logits = floats.subarray(0, steps * shape.vocab);
  const tensors = Array.from({ length: 2 * shape.layers }, (_, i) => {
    const at = steps * shape.vocab + i * tensor;
    return floats.subarray(at, at + tensor);
  });
  return { tokens: header.tokens, prefillMs: header.prefillMs, logits, tensors };
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
