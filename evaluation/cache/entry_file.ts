/**
 * One entry of the cache as a file: a magic word, a small header (JSON) behind its length, the
 * payload, and the SHA-256 of everything before it. An entry is written and read in blocks, so that
 * neither takes more memory than the payload itself.
 *
 * The payload is not compressed. Floats of a cache with their bytes sorted by place and packed by
 * zstd take 18 to 22 % less, but reading them back takes twice the time (PERFORMANCE.md).
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";

const MAGIC = new TextEncoder().encode("kvreplay cache 2");
/** Magic word and length of the header. */
const LEAD = MAGIC.length + 4;
const DIGEST = 32;
/** A header is a few hundred bytes. */
const MAX_HEADER = 1 << 16;
/** Read and hashed at a time: what a processor's cache holds. */
const BLOCK = 1 << 20;

/** What is kept: references of examples, and what was learned offline. */
export const entryKinds = ["references", "calibrations"] as const;

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

/** An entry that is not what was written. */
export class DamagedEntry extends Error {
  override name = "DamagedEntry";
}

/** Size of an entry's file. */
export function entryBytes(header: EntryHeader): number {
  return LEAD + encodeHeader(header).length + header.payloadBytes + DIGEST;
}

/** Writes an entry to a new file, `header.payloadBytes` of payload in blocks. */
export async function writeEntry(
  file: Deno.FsFile,
  header: EntryHeader,
  blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const hash = createHash("sha256");
  const put = async (bytes: Uint8Array) => {
    hash.update(bytes);
    await writeWhole(file, bytes);
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
 * @throws {DamagedEntry} when it is not what was written, or not accepted
 */
export async function readEntry(
  file: Deno.FsFile,
  accept: (header: EntryHeader) => boolean,
): Promise<Entry> {
  const { header, hash } = await readLead(file);
  if (!accept(header)) throw new DamagedEntry();
  const payload = new Uint8Array(header.payloadBytes);
  for (let at = 0; at < payload.length; at += BLOCK) {
    const block = payload.subarray(at, at + BLOCK);
    await readWhole(file, block);
    hash.update(block);
  }
  await checkDigest(file, hash);
  return { header, payload };
}

/**
 * Reads an entry and keeps nothing but the header.
 *
 * @throws {DamagedEntry} when it is not what was written
 */
export async function verifyEntry(file: Deno.FsFile): Promise<EntryHeader> {
  const { header, hash } = await readLead(file);
  const block = new Uint8Array(BLOCK);
  for (let left = header.payloadBytes; left > 0; left -= BLOCK) {
    const part = block.subarray(0, Math.min(left, BLOCK));
    await readWhole(file, part);
    hash.update(part);
  }
  await checkDigest(file, hash);
  return header;
}

/**
 * Reads a header, which says by itself how long the file must be.
 *
 * @throws {DamagedEntry} when there is none, or the file has another length
 */
export async function readHeader(file: Deno.FsFile): Promise<EntryHeader> {
  return (await readLead(file)).header;
}

async function readLead(file: Deno.FsFile): Promise<{ header: EntryHeader; hash: Hash }> {
  const lead = new Uint8Array(LEAD);
  await readWhole(file, lead);
  if (MAGIC.some((byte, i) => lead[i] !== byte)) throw new DamagedEntry();
  const length = new DataView(lead.buffer).getUint32(MAGIC.length, true);
  if (length > MAX_HEADER) throw new DamagedEntry();
  const text = new Uint8Array(length);
  await readWhole(file, text);
  const header = decodeHeader(text);
  const { size } = await file.stat();
  if (size !== LEAD + length + header.payloadBytes + DIGEST) throw new DamagedEntry();
  return { header, hash: createHash("sha256").update(lead).update(text) };
}

function encodeHeader(header: EntryHeader): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(header));
}

function decodeHeader(bytes: Uint8Array): EntryHeader {
  let header: Partial<EntryHeader> | null;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new DamagedEntry();
  }
  const { kind, key, model, device, payloadBytes, facts } = header ?? {};
  if (
    entryKinds.every((known) => known !== kind) || typeof key !== "string" ||
    typeof model !== "string" || typeof device !== "string" ||
    !Number.isSafeInteger(payloadBytes) || payloadBytes! < 0 ||
    typeof facts !== "object" || facts === null ||
    Object.values(facts).some((fact) => !Number.isFinite(fact))
  ) throw new DamagedEntry();
  return header as EntryHeader;
}

function lengthWord(length: number): Uint8Array {
  const word = new Uint8Array(4);
  new DataView(word.buffer).setUint32(0, length, true);
  return word;
}

async function checkDigest(file: Deno.FsFile, hash: Hash): Promise<void> {
  const kept = new Uint8Array(DIGEST);
  await readWhole(file, kept);
  const found = hash.digest();
  if (kept.some((byte, i) => found[i] !== byte)) throw new DamagedEntry();
}

async function readWhole(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) throw new DamagedEntry();
    done += count;
  }
}

async function writeWhole(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}
