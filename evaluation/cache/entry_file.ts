/**
 * One entry of the cache as a file: a magic word, a small header (JSON) behind its length, the
 * payload, the CRC-32 of everything before it, and the SHA-256 of all that. An entry is written and
 * read in blocks, so that neither takes more memory than the payload itself. The CRC-32 is for who
 * maps the payload: on two shared cores it took 0.07 s a gigabyte, where the SHA-256 took 1.5 to 2.3.
 *
 * The header is filled up with spaces, so that a payload can be mapped by who reads numbers there.
 *
 * The payload is not compressed. Floats of a cache with their bytes sorted by place and packed by
 * zstd take 18 to 22 % less, but reading them back takes twice the time (PERFORMANCE.md).
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { UserError } from "../../errors.ts";

const MAGIC = new TextEncoder().encode("kvreplay cache 3");
/** A payload starts at a multiple of so many bytes. */
const ALIGNMENT = 64;
/** Magic word and length of the header. */
const LEAD = MAGIC.length + 4;
const SUM = 4;
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
  return LEAD + encodeHeader(header).length + header.payloadBytes + SUM + DIGEST;
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
  let sum = 0;
  const put = async (bytes: Uint8Array) => {
    // Hashed while it is written.
    const written = writeWhole(file, bytes);
    hash.update(bytes);
    sum = crc32(bytes, sum);
    await written;
  };
  const text = encodeHeader(header);
  await put(MAGIC);
  await put(word(text.length));
  await put(text);
  for await (const block of blocks) await put(block);
  await put(word(sum));
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
 * @param quick looks at its CRC-32 alone
 * @throws {EntryError} when it is not what was written
 */
export async function verifyEntry(path: string, quick: boolean = false): Promise<EntryHeader> {
  using reader = await EntryReader.open(path, quick);
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
  readonly #hash: Hash | undefined;
  #sum = 0;
  #header: EntryHeader | undefined;

  private constructor(
    private readonly path: string,
    private readonly file: Deno.FsFile,
    quick: boolean,
  ) {
    if (!quick) this.#hash = createHash("sha256");
  }

  /** @param quick whether its SHA-256 is passed over */
  static async open(path: string, quick = false): Promise<EntryReader> {
    // Whatever else bears the name, a pipe for one, must not even be opened.
    if (!(await Deno.lstat(path)).isFile) throw new EntryError(`Entry "${path}" is no file`);
    const reader = new EntryReader(path, await Deno.open(path), quick);
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
    this.#hash?.update(bytes);
    this.#sum = crc32(bytes, this.#sum);
  }

  /** Reads the sum and the hash that follow the payload. */
  async checkDigest(): Promise<void> {
    const expected = this.#sum;
    const sum = new Uint8Array(SUM);
    await this.read(sum);
    if (new DataView(sum.buffer).getUint32(0, true) !== expected) {
      throw new EntryError(`Entry "${this.path}" does not match its CRC-32`);
    }
    if (this.#hash === undefined) return;
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
    const expected = LEAD + length + header.payloadBytes + SUM + DIGEST;
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

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

async function writeWhole(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}
