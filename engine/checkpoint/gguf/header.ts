/**
 * The header of a GGUF file: its metadata, and where its tensors lie (ggml-org/ggml, docs/gguf.md).
 * Nothing in it is trusted: counts, lengths, offsets and sizes are checked against the file.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import type { ModelFile } from "../model_file.ts";
import { type GgufValue, HeaderCursor, MAX_HEADER_BYTES } from "./header_cursor.ts";
import { Metadata } from "./metadata.ts";
import { quoted } from "./quoted.ts";
import { type TensorTypeName, tensorTypeName, tensorTypes, unreadTypes } from "./tensor_types.ts";

/** Magic, version, number of tensors, number of keys. */
const FIXED_BYTES = 24;

/** Fewest bytes of a tensor's entry: empty name, no dimension, type, offset. */
const MIN_TENSOR_BYTES = 24;

/** Fewest bytes of a key and its value: empty name, type, one byte. */
const MIN_VALUE_BYTES = 13;

/** What is read of the file at first; the headers of most models are shorter. */
const FIRST_BYTES = 2 ** 23;

/** Boundary of the tensors' first bytes where the file names none. */
const ALIGNMENT = 32;

/** ggml's limit. */
const MAX_DIMENSIONS = 4;

/** One tensor as the header describes it. */
export interface GgufTensor {
  /** Name, unique in the file. */
  readonly name: string;
  /** Format of the stored values. */
  readonly type: TensorTypeName;
  /** Sizes, outermost first: the file has them the other way round. */
  readonly shape: readonly number[];
  /** Its first byte in the file. */
  readonly at: number;
  /** Number of its bytes. */
  readonly bytes: number;
}

/** A header that has been checked against its file. */
export interface GgufHeader {
  /** Values by key. */
  readonly metadata: Metadata;
  /** Every tensor by name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** The header's own bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads the header of a file.
 *
 * @throws {UserError} one sentence with the path: another kind of file, another version or byte
 * order, a truncated file, counts that the file has no room for, values or texts that are broken, a
 * tensor whose type is not read, that lies outside the file or over another one
 */
export async function readHeader(file: ModelFile): Promise<GgufHeader> {
  await checkFixedPart(file);
  for (let count = FIRST_BYTES;;) {
    const bytes = await file.read(0, Math.min(count, file.size));
    const cursor = new HeaderCursor(file, bytes);
    try {
      return new HeaderParser(file, bytes, cursor).parse();
    } catch (error) {
      const { lacking } = cursor;
      if (lacking === 0 || lacking > Math.min(file.size, MAX_HEADER_BYTES)) throw error;
      count = Math.max(lacking, 4 * count);
    }
  }
}

async function checkFixedPart({ path, size, read }: ModelFile): Promise<void> {
  if (size < FIXED_BYTES) {
    throw new UserError(
      `${path} is truncated: it has ${size} bytes, and a GGUF file starts with ${FIXED_BYTES} bytes of magic, version and counts`,
    );
  }
  const view = new DataView((await read(0, 8)).buffer);
  const magic = view.getUint32(0).toString(16);
  if (magic !== "47475546") {
    throw new UserError(
      `${path} is not a GGUF file: it starts with the bytes ${magic}, not with 47475546 ("GGUF")`,
    );
  }
  if (view.getUint32(4, false) <= 3) {
    throw new UserError(
      `${path} is a GGUF file in big-endian byte order; only little-endian files are read`,
    );
  }
  const version = view.getUint32(4, true);
  if (version !== 2 && version !== 3) {
    throw new UserError(`${path} is a GGUF file of version ${version}; versions 2 and 3 are read`);
  }
}

class HeaderParser {
  constructor(
    private readonly file: ModelFile,
    private readonly bytes: Uint8Array<ArrayBuffer>,
    private readonly cursor: HeaderCursor,
  ) {}

  parse(): GgufHeader {
    const { cursor } = this;
    cursor.at = 8;
    const tensorCount = this.#count("tensors", MIN_TENSOR_BYTES);
    const keyCount = this.#count("metadata keys", MIN_VALUE_BYTES);
    const metadata = new Metadata(this.#values(keyCount), this.file.path);
    const entries: TensorEntry[] = [];
    for (let i = 0; i < tensorCount; i++) {
      cursor.reading = `the entry of tensor ${i + 1} of ${tensorCount}`;
      const name = cursor.text();
      const sizes = Array.from({ length: this.#dimensions(name) }, () => cursor.uint64());
      entries.push({ name, sizes, type: cursor.uint32(), offset: cursor.uint64() });
    }
    const alignment = readAlignment(metadata);
    const start = Math.ceil(cursor.at / alignment) * alignment;
    const tensors = entries.map((entry) => checkedTensor(this.file, entry, start, alignment));
    return {
      metadata,
      tensors: byName(this.file.path, tensors),
      bytes: this.bytes.slice(0, cursor.at),
    };
  }

  #count(what: string, bytesEach: number): number {
    const { path, size } = this.file;
    const count = this.cursor.uint64();
    const room = Math.floor((size - FIXED_BYTES) / bytesEach);
    if (count <= room) return count;
    throw new UserError(
      `${path} is truncated or broken: it announces ${count} ${what}, and its ${size} bytes have room for ${room} at most`,
    );
  }

  #values(count: number): Map<string, GgufValue> {
    const values = new Map<string, GgufValue>();
    for (let i = 0; i < count; i++) {
      this.cursor.reading = `metadata key ${i + 1} of ${count}`;
      const key = this.cursor.text();
      this.cursor.reading = `the value of ${quoted(key)}`;
      if (values.has(key)) throw this.cursor.broken("is there twice");
      values.set(key, this.cursor.value(this.cursor.uint32()));
    }
    return values;
  }

  #dimensions(name: string): number {
    const count = this.cursor.uint32();
    if (count >= 1 && count <= MAX_DIMENSIONS) return count;
    this.cursor.reading = `the tensor ${quoted(name)}`;
    throw this.cursor.broken(`has ${count} dimensions; 1 to ${MAX_DIMENSIONS} are possible`);
  }
}

/** A tensor's entry as the file has it: sizes innermost first, the offset from the first tensor's. */
interface TensorEntry {
  readonly name: string;
  readonly sizes: readonly number[];
  readonly type: number;
  readonly offset: number;
}

function readAlignment(metadata: Metadata): number {
  const alignment = metadata.count("general.alignment", ALIGNMENT);
  if (alignment >= 8 && alignment <= 2 ** 20 && Number.isInteger(Math.log2(alignment))) {
    return alignment;
  }
  throw new UserError(
    `${metadata.path}: "general.alignment" is ${alignment}; a power of two from 8 to ${
      2 ** 20
    } is needed`,
  );
}

function checkedTensor(
  { path, size }: ModelFile,
  { name, sizes, type: id, offset }: TensorEntry,
  dataStart: number,
  alignment: number,
): GgufTensor {
  const where = `In ${path} the tensor ${quoted(name)}`;
  const type = tensorTypeName(id);
  if (type === undefined) {
    throw new UserError(
      `${where} has the type ${unreadTypes[id] ?? id}; those that are read are ${
        Object.keys(tensorTypes).join(", ")
      }`,
    );
  }
  const block = tensorTypes[type];
  if (sizes[0]! % block.values !== 0) {
    throw new UserError(
      `${where} has rows of ${
        sizes[0]
      } values; in ${type} they must be a multiple of ${block.values}`,
    );
  }
  if (offset % alignment !== 0) {
    throw new UserError(
      `${where} starts at offset ${offset}, which must be a multiple of ${alignment}`,
    );
  }
  const at = dataStart + offset;
  // A product beyond 2^53 is inexact, yet then it is beyond the end of any file, too.
  const bytes = sizes.reduce((product, length) => product * length, 1) / block.values * block.bytes;
  if (!(bytes > 0 && at + bytes <= size)) {
    throw new UserError(
      `${path} is truncated or broken: the tensor ${quoted(name)} of sizes [${
        sizes.join(", ")
      }] in ${type} takes the bytes ${at} to ${at + bytes}, and the file has ${size}`,
    );
  }
  return { name, type, shape: sizes.toReversed(), at, bytes };
}

function byName(path: string, tensors: readonly GgufTensor[]): ReadonlyMap<string, GgufTensor> {
  const found = new Map<string, GgufTensor>();
  let before: GgufTensor | undefined;
  for (const tensor of tensors.toSorted((a, b) => a.at - b.at)) {
    const { name, at } = tensor;
    if (found.has(name)) throw new UserError(`${path} has the tensor ${quoted(name)} twice`);
    const free = before === undefined ? 0 : before.at + before.bytes;
    if (at < free) {
      throw new UserError(
        `In ${path} the tensor ${quoted(name)} starts at byte ${at}, inside ${
          quoted(before!.name)
        }, which ends at ${free}`,
      );
    }
    found.set(name, tensor);
    before = tensor;
  }
  return found;
}
