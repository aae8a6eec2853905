/**
 * One entry of the cache as a file: a magic word, a small header (JSON) behind its length, the
 * payload, and the SHA-256 of everything before it. An entry is written and read in blocks, so that
 * neither takes more memory than the payload itself.
 *
 * The header is filled up with spaces, so that a payload can be mapped by who reads numbers there.
 *
 * The payload is not compressed. Floats of a cache with their bytes sorted by place and packed by
 * zstd take 18 to 22 % less, but reading them back takes twice the time (PERFORMANCE.md).
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { UserError } from "../../errors.ts";

const MAGIC = new TextEncoder().encode("kvreplay cache 2");
/** A payload starts at a multiple of so many bytes. */
const ALIGNMENT = 64;
/** Magic word and length of the header. */
const LEAD = MAGIC.length + 4;
const DIGEST = 32;
const SPACE = 0x20;
/** A header is a few hundred bytes. */
const MAX_HEADER = 1 << 16;
/** Read and hashed at a time: what a processor's cache holds. */
const BLOCK = 1 << 20;

/**
 * What is kept: references of examples, what was learned offline, weights as a session maps them, and
 * how fast devices are.
 */
export const entryKinds = ["references", "calibrations", "weights", "timings"] as const;

/** One of `entryKinds`. */
export type EntryKind = typeof entryKinds[number];

/** What an entry says about itself. */
export interface EntryHeader {
  readonly kind: EntryKind;
  /** SHA-256 of all that the payload depends on, in hexadecimal. */
  readonly key: string;
  /** What the user called the model. */
  readonly model: string;
  /** Where the model ran. */
  readonly device: string;
  readonly payloadBytes: number;
  /** What the kind adds: counts and timings. */
  readonly facts: Readonly<Record<string, number>>;
}

/** An entry that was read, and found to be what was written. */
export interface Entry {
  readonly header: EntryHeader;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** An entry that is not what was written, or not what is looked for. */
export class EntryError extends UserError {
  override name = "EntryError";
}

/** Size of an entry's file. */
export function entryBytes(header: EntryHeader): number {
  return LEAD + encodeHeader(header).length + header.payloadBytes + DIGEST;
}

/** Byte of an entry's file at which the payload starts. */
export function payloadStart(header: EntryHeader): number {
  return LEAD + encodeHeader(header).length;
}

/** Writes an entry to a new file, `header.payloadBytes` of payload in blocks. */
export async function writeEntry(
  file: Deno.FsFile,
  header: EntryHeader,
  blocks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const hash = createHash("sha256");
  const put = async (bytes: Uint8Array) => {
    // Hashed while it is written.
    const written = writeWhole(file, bytes);
    hash.update(bytes);
    await written;
  };
  const text = encodeHeader(header);
  await put(MAGIC);
  await put(lengthWord(text.length));
  await put(text);
  for await (const block of blocks) await put(block);
  await writeWhole(file, new Uint8Array(hash.digest()));
}

/**
 * Reads an entry.
 *
 * @param accept says from the header whether the payload is what is looked for, before it is read
 * @throws {EntryError} when it is not what was written, or not accepted
 */
export async function readEntry(
  path: string,
  accept: (header: EntryHeader) => boolean,
): Promise<Entry> {
  using reader = await EntryReader.open(path);
  const { header } = reader;
  if (!accept(header)) throw new EntryError(`Entry "${path}" is not what its name says`);
  const payload = new Uint8Array(header.payloadBytes);
  for (let at = 0; at < payload.length; at += BLOCK) {
    await reader.read(payload.subarray(at, at + BLOCK));
  }
  await reader.checkDigest();
  return { header, payload };
}

/**
 * Reads an entry and keeps nothing but the header.
 *
 * @throws {EntryError} when it is not what was written
 */
export async function verifyEntry(path: string): Promise<EntryHeader> {
  using reader = await EntryReader.open(path);
  const block = new Uint8Array(BLOCK);
  for (let left = reader.header.payloadBytes; left > 0; left -= BLOCK) {
    await reader.read(block.subarray(0, Math.min(left, BLOCK)));
  }
  await reader.checkDigest();
  return reader.header;
}

/**
 * Reads a header, which says by itself how long the file must be.
 *
 * @throws {EntryError} when there is none, or the file has another length
 */
export async function readHeader(path: string): Promise<EntryHeader> {
  using reader = await EntryReader.open(path);
  return reader.header;
}

/** An open entry: its header, and what of the rest was read so far. */
class EntryReader implements Disposable {
  readonly #hash: Hash = createHash("sha256");
  #header: EntryHeader | undefined;

  private constructor(private readonly path: string, private readonly file: Deno.FsFile) {}

  static async open(path: string): Promise<EntryReader> {
    const reader = new EntryReader(path, await Deno.open(path));
    try {
      await reader.#readHeader();
      return reader;
    } catch (error) {
      reader.file.close();
      throw error;
    }
  }

  get header(): EntryHeader {
    return this.#header!;
  }

  /** Fills `bytes` with what comes next. */
  async read(bytes: Uint8Array): Promise<void> {
    await this.#fill(bytes);
    this.#hash.update(bytes);
  }

  /** Reads the hash that follows the payload. */
  async checkDigest(): Promise<void> {
    const kept = new Uint8Array(DIGEST);
    await this.#fill(kept);
    const found = this.#hash.digest();
    if (kept.some((byte, i) => found[i] !== byte)) {
      throw new EntryError(`Entry "${this.path}" does not match its SHA-256`);
    }
  }

  async #readHeader(): Promise<void> {
    const lead = new Uint8Array(LEAD);
    await this.read(lead);
    if (MAGIC.some((byte, i) => lead[i] !== byte)) {
      throw new EntryError(`Entry "${this.path}" is no entry of this version`);
    }
    const length = new DataView(lead.buffer).getUint32(MAGIC.length, true);
    if (length > MAX_HEADER) {
      throw new EntryError(
        `Entry "${this.path}" has a header of ${length} bytes; expected at most ${MAX_HEADER}`,
      );
    }
    const text = new Uint8Array(length);
    await this.read(text);
    const header = decodeHeader(text);
    if (header === undefined) {
      throw new EntryError(`Entry "${this.path}" has a header that cannot be read`);
    }
    const { size } = await this.file.stat();
    const expected = LEAD + length + header.payloadBytes + DIGEST;
    if (size !== expected) {
      throw new EntryError(`Entry "${this.path}" has ${size} bytes; expected ${expected}`);
    }
    this.#header = header;
  }

  async #fill(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const count = await this.file.read(bytes.subarray(done));
      if (count === null) throw new EntryError(`Entry "${this.path}" is cut short`);
      done += count;
    }
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}

function encodeHeader(header: EntryHeader): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(Math.ceil((LEAD + text.length) / ALIGNMENT) * ALIGNMENT - LEAD);
  bytes.fill(SPACE, text.length);
  bytes.set(text);
  return bytes;
}

function decodeHeader(bytes: Uint8Array): EntryHeader | undefined {
  let header: Partial<EntryHeader> | null;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  const { kind, key, model, device, payloadBytes, facts } = header ?? {};
  const isHeader = entryKinds.some((known) => known === kind) && typeof key === "string" &&
    typeof model === "string" && typeof device === "string" &&
    Number.isSafeInteger(payloadBytes) && payloadBytes! >= 0 &&
    typeof facts === "object" && facts !== null && Object.values(facts).every(Number.isFinite);
  return isHeader ? header as EntryHeader : undefined;
}

function lengthWord(length: number): Uint8Array {
  const word = new Uint8Array(4);
  new DataView(word.buffer).setUint32(0, length, true);
  return word;
}

async function writeWhole(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}
