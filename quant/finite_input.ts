/**
 * The error for NaN and infinite entries in the tensors to be quantized.
 *
 * @module
 */
import type { KvKind } from "./family.ts";
import { QuantizerError } from "./quantizer_error.ts";
import type { CpuTensor } from "./tensor.ts";

/** The error that names the first entry that is not finite. */
export function notFiniteError(
  place: { readonly layer: number; readonly kind: KvKind },
  head: number,
  token: number,
  value?: number,
): QuantizerError {
  const what = value === undefined ? "a value that is not finite" : `${value}`;
  return new QuantizerError(
    `Layer ${place.layer} ${place.kind}s hold ${what} at head ${head}, token ${token}; ` +
      `only finite values can be quantized`,
  );
}

/** Throws for the first entry, in token order, of tokens `from <= t < to` that is not finite. */
export function throwNotFinite(
  place: { readonly layer: number; readonly kind: KvKind },
  tensor: CpuTensor,
  from: number,
  to: number,
): void {
  const { data, heads, capacity, headDim } = tensor;
  for (let token = from; token < to; token++) {
    for (let head = 0; head < heads; head++) {
      const base = (head * capacity + token) * headDim;
      for (let i = base; i < base + headDim; i++) {
        if (!Number.isFinite(data[i]!)) throw notFiniteError(place, head, token, data[i]!);
      }
    }
  }
}
