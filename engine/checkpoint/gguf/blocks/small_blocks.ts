/**
 * The formats with blocks of 32 values: `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`, `Q8_0` and `IQ4_NL`
 * (ggml-org/ggml, src/ggml-common.h, `block_q4_0` and those after it). A block starts with its half
 * scale; where codes have four bits, a byte holds value `i` below value `i + 16`.
 *
 * @module
 */
import { nonlinearLevels } from "./nonlinear_levels.ts";
import { viewOf } from "./restore.ts";

const SIZE = 32;
const HALF = SIZE / 2;

/** `Q4_0`: `scale (code - 8)`; scale, 16 bytes of codes. */
export function restoreQ4_0(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 18, o += SIZE) {
    const scale = view.getFloat16(at, true);
    for (let i = 0; i < HALF; i++) {
      const pair = bytes[at + 2 + i]!;
      out[o + i] = scale * ((pair & 15) - 8);
      out[o + HALF + i] = scale * ((pair >> 4) - 8);
    }
  }
}

/** `Q4_1`: `scale code + minimum`; scale, minimum, 16 bytes of codes. */
export function restoreQ4_1(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 20, o += SIZE) {
    const scale = view.getFloat16(at, true);
    const minimum = view.getFloat16(at + 2, true);
    for (let i = 0; i < HALF; i++) {
      const pair = bytes[at + 4 + i]!;
      out[o + i] = scale * (pair & 15) + minimum;
      out[o + HALF + i] = scale * (pair >> 4) + minimum;
    }
  }
}

/** `Q5_0`: `scale (code - 16)`; scale, the fifth bit of each code, 16 bytes of the other four. */
export function restoreQ5_0(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 22, o += SIZE) {
    const scale = view.getFloat16(at, true);
    const fifth = view.getUint32(at + 2, true);
    for (let i = 0; i < HALF; i++) {
      const pair = bytes[at + 6 + i]!;
      out[o + i] = scale * (((pair & 15) | (fifth >>> i & 1) << 4) - 16);
      out[o + HALF + i] = scale * (((pair >> 4) | (fifth >>> i + HALF & 1) << 4) - 16);
    }
  }
}

/** `Q5_1`: `scale code + minimum`; scale, minimum, then as `Q5_0`. */
export function restoreQ5_1(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 24, o += SIZE) {
    const scale = view.getFloat16(at, true);
    const minimum = view.getFloat16(at + 2, true);
    const fifth = view.getUint32(at + 4, true);
    for (let i = 0; i < HALF; i++) {
      const pair = bytes[at + 8 + i]!;
      out[o + i] = scale * ((pair & 15) | (fifth >>> i & 1) << 4) + minimum;
      out[o + HALF + i] = scale * ((pair >> 4) | (fifth >>> i + HALF & 1) << 4) + minimum;
    }
  }
}

/** `Q8_0`: `scale code`; scale, 32 signed bytes. */
export function restoreQ8_0(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 34, o += SIZE) {
    const scale = view.getFloat16(at, true);
    for (let i = 0; i < SIZE; i++) out[o + i] = scale * view.getInt8(at + 2 + i);
  }
}

/** `IQ4_NL`: `scale level[code]`; scale, 16 bytes of codes. */
export function restoreIq4Nl(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 18, o += SIZE) {
    const scale = view.getFloat16(at, true);
    for (let i = 0; i < HALF; i++) {
      const pair = bytes[at + 2 + i]!;
      out[o + i] = scale * nonlinearLevels[pair & 15]!;
      out[o + HALF + i] = scale * nonlinearLevels[pair >> 4]!;
    }
  }
}
