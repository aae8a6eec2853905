/**
 * Rotates restored keys that were quantized before RoPE.
 *
 * Su et al., "RoFormer", arXiv 2104.09864; pairs `(i, i + headDim / 2)` as in
 * huggingface/transformers, models/qwen2/modeling_qwen2.py, rotate_half.
 *
 * @module
 */
import { Kernels } from "../../gpu/kernels.ts";
import type { Source } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import rotate from "./rotate.wgsl" with { type: "text" };
import type { CpuTensor, GpuTensor, KvShape, TokenRange } from "../../tensor.ts";

/**
 * The keys before RoPE of a source and its rotary tables.
 *
 * @throws {QuantizerError} when the source does not have them
 */
export function preRopeOf<T extends KvShape>(
  source: Source<T>,
): { tensor: T; rope: { cos: T; sin: T } } {
  if (source.preRope === undefined || source.rope === undefined) {
    throw new QuantizerError(
      `Layer ${source.layer} ${source.kind}s are to be quantized before RoPE, but only the rotated ` +
        `ones are at hand`,
    );
  }
  return { tensor: source.preRope, rope: source.rope };
}

/**
 * What is coded of a source before RoPE: its keys then, with the tables that turn them, or its values.
 *
 * @throws {QuantizerError} when the source does not have them
 */
export function beforeRope<T extends KvShape>(
  source: Source<T>,
): { readonly tensor: T; readonly rope?: { readonly cos: T; readonly sin: T } } {
  return source.kind === "key" ? preRopeOf(source) : { tensor: source.tensor };
}

/**
 * Writes the heads of the token at position `token` to their places, one behind the other in `row`.
 *
 * @param rope turns them; absent where they are to stay as they are
 */
export function placeToken(
  row: Float32Array,
  rope: { readonly cos: CpuTensor; readonly sin: CpuTensor } | undefined,
  token: number,
  { heads, capacity, headDim, data }: CpuTensor,
): void {
  for (let head = 0; head < heads; head++) {
    const from = head * headDim;
    const at = (head * capacity + token) * headDim;
    if (rope !== undefined) rotateHead(row, from, rope, token, headDim, data, at);
    else for (let i = 0; i < headDim; i++) data[at + i] = row[from + i]!;
  }
}

/**
 * Rotates `row`, one head of the token at position `token`, into `target` from index `at` on.
 *
 * @param from index of the head's first channel in `row`
 */
export function rotateHead(
  row: Float32Array,
  from: number,
  { cos, sin }: { readonly cos: CpuTensor; readonly sin: CpuTensor },
  token: number,
  headDim: number,
  target: Float32Array,
  at: number,
): void {
  const half = headDim >>> 1;
  const angles = token * half;
  const [c, s] = [cos.data, sin.data];
  for (let i = 0; i < half; i++) {
    const a = row[from + i]!;
    const b = row[from + half + i]!;
    const cosine = c[angles + i]!;
    const sine = s[angles + i]!;
    target[at + i] = a * cosine - b * sine;
    target[at + half + i] = b * cosine + a * sine;
  }
}

/** Rotates the tokens `range` of keys in host memory, in place. */
export function rotateOnCpu(
  { data, heads, capacity, headDim }: CpuTensor,
  { from, to }: TokenRange,
  rope: { readonly cos: CpuTensor; readonly sin: CpuTensor },
): void {
  for (let head = 0; head < heads; head++) {
    for (let token = from; token < to; token++) {
      const at = (head * capacity + token) * headDim;
      rotateHead(data, at, rope, token, headDim, data, at);
    }
  }
}

/** Rotates the tokens `range` of keys on a GPU, in place. */
export function rotateOnGpu(
  device: GPUDevice,
  keys: GpuTensor,
  range: TokenRange,
  rope: { readonly cos: GpuTensor; readonly sin: GpuTensor },
): void {
  turnOnGpu(device, "rotate", keys, range, rope);
}

function turnOnGpu(
  device: GPUDevice,
  kernel: "rotate" | "turn_back",
  keys: GpuTensor,
  range: TokenRange,
  { cos, sin }: { readonly cos: GpuTensor; readonly sin: GpuTensor },
): void {
  const { heads, headDim, capacity } = keys;
  const tokens = range.to - range.from;
  Kernels.of(device, "rope", [rotate]).run(kernel, { threads: heads * tokens * headDim / 2 }, {
    job: { heads, head_dim: headDim, capacity, from_token: range.from, tokens },
    cosines: cos.buffer,
    sines: sin.buffer,
    keys: keys.buffer,
  });
}

/**
 * Turns the tokens `range` of keys back to where they were before RoPE, in place: the inverse of what
 * the tables do, their rounding included, so that what remains is the rounding of the keys.
 *
 * @param gpu device that the keys live on; absent in cpu memory
 */
export function turnBack<T extends KvShape>(
  gpu: GPUDevice | undefined,
  keys: T,
  range: TokenRange,
  rope: { readonly cos: T; readonly sin: T },
): void {
  if (gpu !== undefined) {
    const { cos, sin } = rope as unknown as { cos: GpuTensor; sin: GpuTensor };
    turnOnGpu(gpu, "turn_back", keys as unknown as GpuTensor, range, { cos, sin });
    return;
  }
  const { data, heads, capacity, headDim } = keys as unknown as CpuTensor;
  const [cos, sin] = [rope.cos, rope.sin].map((table) => (table as unknown as CpuTensor).data);
  const half = headDim >>> 1;
  for (let head = 0; head < heads; head++) {
    for (let token = range.from; token < range.to; token++) {
      const at = (head * capacity + token) * headDim;
      for (let i = 0; i < half; i++) {
        const [a, b] = [data[at + i]!, data[at + half + i]!];
        const [c, s] = [cos![token * half + i]!, sin![token * half + i]!];
        const determinant = c * c + s * s;
        data[at + i] = (a * c + b * s) / determinant;
        data[at + half + i] = (b * c - a * s) / determinant;
      }
    }
  }
}
