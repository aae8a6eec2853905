/** Reads the small safetensors files of the golden vectors. */

/** One tensor of a file. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
}

const ARRAYS = { F32: Float32Array, I32: Int32Array, U8: Uint8Array } as const;

/** All tensors of a safetensors file by name. */
export function readSafetensors(path: URL): Map<string, StoredTensor> {
  const file = Deno.readFileSync(path);
  const headerBytes = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header: Record<
    string,
    { dtype: keyof typeof ARRAYS; shape: number[]; data_offsets: [number, number] }
  > = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerBytes)));
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    // The copy starts at offset 0, so any element type is aligned.
    const bytes = file.slice(8 + headerBytes + from, 8 + headerBytes + to);
    tensors.set(name, { shape, data: new ARRAYS[dtype](bytes.buffer) });
  }
  return tensors;
}
