/**
 * A reader of safetensors files that trusts nothing: every offset, shape and name is checked against
 * the file before a tensor is read.
 *
 * Layout (huggingface/safetensors, README.md, "Format"): 8 bytes little-endian header length, that
 * many bytes of JSON `{name: {dtype, shape, data_offsets}}`, then the tensors back to back.
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import type { StoredTensor } from "./checkpoint.ts";
import {
  floatBytes,
  type FloatType,
  floatTypes,
  isFloatType,
  restoreFloats,
} from "./float_types.ts";
import { isJsonObject, parseJsonObject } from "./json_file.ts";
import { type ModelFile, openNeededFile } from "./model_file.ts";
import { storedBlocks } from "./stored_blocks.ts";

/** Longest header accepted, in bytes: the limit of the reference reader. */
export const MAX_HEADER_BYTES = 100_000_000;

const LENGTH_BYTES = 8;

/** One tensor as the header describes it. */
export interface TensorEntry {
  /** Name, unique in the file. */
  readonly name: string;
  /** Format of the stored values. */
  readonly dtype: FloatType;
  /** Sizes, outermost first; the values are row-major. */
  readonly shape: readonly number[];
  /** First byte and the byte after the last, counted from the end of the header. */
  readonly from: number;
  readonly to: number;
}

/** A safetensors file whose header has been checked. */
export class SafetensorsFile {
  private constructor(
    private readonly file: ModelFile,
    private readonly dataStart: number,
    /** Every tensor by name, in the order of their bytes. */
    readonly tensors: ReadonlyMap<string, TensorEntry>,
  ) {}

  /** Path or URL as given. */
  get path(): string {
    return this.file.path;
  }

  /**
   * Opens a file and checks its header against its length.
   *
   * @throws {UserError} one sentence with the path: an absent or truncated file, a header that is
   * too long or not JSON, a duplicate name, an unsupported dtype, a shape that does not match its
   * bytes, tensors that overlap or leave a hole
   */
  static async open(path: string): Promise<SafetensorsFile> {
    return await SafetensorsFile.of(await openNeededFile(path));
  }

  /** The same for a file that was found. */
  static async of(file: ModelFile): Promise<SafetensorsFile> {
    const length = await headerLength(file);
    const text = decodeHeader(file.path, await file.read(LENGTH_BYTES, length));
    const dataStart = LENGTH_BYTES + length;
    const tensors = checkedEntries(file.path, text, file.size - dataStart);
    return new SafetensorsFile(file, dataStart, tensors);
  }

  /** One tensor, to be read. */
  tensor({ dtype, shape, from, to }: TensorEntry): StoredTensor {
    const storedBytes = to - from;
    return {
      path: this.path,
      dtype,
      shape,
      storedBytes,
      inOrder: true,
      blocks: () => storedBlocks(this.file, this.dataStart + from, storedBytes, floatBytes[dtype]),
      restore: (block, out) => restoreFloats(block, dtype, out),
    };
  }
}

async function headerLength(file: ModelFile): Promise<number> {
  const { path, size } = file;
  if (size < LENGTH_BYTES) {
    throw new UserError(
      `${path} is truncated: it has ${size} bytes, and a safetensors file starts with 8 bytes of header length`,
    );
  }
  const bytes = await file.read(0, LENGTH_BYTES);
  const length = new DataView(bytes.buffer).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw new UserError(
      `${path} announces a header of ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`,
    );
  }
  if (LENGTH_BYTES + Number(length) > size) {
    throw new UserError(
      `${path} is truncated: its header should be ${length} bytes long, and the whole file has ${size}`,
    );
  }
  return Number(length);
}

function decodeHeader(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UserError(`The header of ${path} is not UTF-8 text`);
  }
}

function checkedEntries(
  path: string,
  text: string,
  dataBytes: number,
): ReadonlyMap<string, TensorEntry> {
  const header = parseJsonObject(text, `The header of ${path}`);
  const entries: TensorEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") checkMetadata(path, value);
    else entries.push(checkedEntry(path, name, value));
  }
  entries.sort((a, b) => a.from - b.from || a.to - b.to);
  let at = 0;
  for (const { name, from, to } of entries) {
    if (from < at) {
      throw new UserError(
        `In ${path} the tensor "${name}" starts at byte ${from}, inside the tensor before it, which ends at ${at}`,
      );
    }
    if (from > at) {
      throw new UserError(
        `In ${path} the bytes ${at} to ${from} before the tensor "${name}" belong to no tensor`,
      );
    }
    if (to > dataBytes) {
      throw new UserError(
        `${path} is truncated: the tensor "${name}" ends at byte ${to} of the data, which has ${dataBytes}`,
      );
    }
    at = to;
  }
  if (at < dataBytes) {
    throw new UserError(`In ${path} the last ${dataBytes - at} bytes belong to no tensor`);
  }
  return new Map(entries.map((entry) => [entry.name, entry]));
}

function checkMetadata(path: string, value: unknown): void {
  if (isJsonObject(value) && Object.values(value).every((v) => typeof v === "string")) return;
  throw new UserError(`In ${path} "__metadata__" must map names to strings`);
}

function checkedEntry(path: string, name: string, value: unknown): TensorEntry {
  const where = `In ${path} the tensor "${name}"`;
  if (!isJsonObject(value)) throw new UserError(`${where} must be described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isFloatType(dtype)) {
    throw new UserError(
      `${where} has dtype ${JSON.stringify(dtype)}; supported are ${floatTypes.join(", ")}`,
    );
  }
  if (!isSizes(shape)) {
    throw new UserError(
      `${where} has shape ${JSON.stringify(shape)}; a list of non-negative integers is needed`,
    );
  }
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw new UserError(
      `${where} has data_offsets ${
        JSON.stringify(offsets)
      }; two increasing byte positions are needed`,
    );
  }
  const [from, to] = offsets as [number, number];
  // A product beyond 2^53 is inexact, yet then it cannot equal the length of a file either.
  const bytes = shape.reduce((product, size) => product * size, floatBytes[dtype]);
  if (bytes !== to - from) {
    throw new UserError(
      `${where} of shape [${
        shape.join(", ")
      }] in ${dtype} takes ${bytes} bytes, but its data_offsets give it ${to - from}`,
    );
  }
  return { name, dtype, shape, from, to };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v >= 0);
}
