/**
 * The formats with blocks of 256 values: `Q2_K` to `Q6_K` and `IQ4_XS` (ggml-org/ggml,
 * src/ggml-common.h, `block_q2_K` and those after it). The values are parted into runs of 16 or 32,
 * each with a small integer scale (and minimum) of its own, which the block's half scale multiplies.
 *
 * @module
 */
import { nonlinearLevels } from "./nonlinear_levels.ts";
import { viewOf } from "./restore.ts";

const SIZE = 256;

/** `Q2_K`: `scale s code - minimum m`; 16 bytes of `s | m << 4`, 64 of codes, scale, minimum. */
export function restoreQ2K(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 84, o += SIZE) {
    const scale = view.getFloat16(at + 80, true);
    const minimum = view.getFloat16(at + 82, true);
    for (let run = 0; run < 16; run++) {
      const s = scale * (bytes[at + run]! & 15);
      const m = minimum * (bytes[at + run]! >> 4);
      const { first, shift } = twoBitRun(run);
      for (let i = 0; i < 16; i++) {
        out[o + 16 * run + i] = s * (bytes[at + 16 + first + i]! >> shift & 3) - m;
      }
    }
  }
}

/**
 * `Q3_K`: `scale (s - 32) (code - 4)`; 32 bytes of the codes' third bits, 64 of the other two, 12 of
 * `s`, scale.
 */
export function restoreQ3K(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 110, o += SIZE) {
    const scale = view.getFloat16(at + 108, true);
    for (let run = 0; run < 16; run++) {
      // Four low bits side by side in eight bytes, two high ones in the four after them.
      const low = bytes[at + 96 + run % 8]! >> 4 * (run >> 3) & 15;
      const high = bytes[at + 104 + run % 4]! >> 2 * (run >> 2) & 3;
      const s = scale * ((low | high << 4) - 32);
      const { first, shift } = twoBitRun(run);
      for (let i = 0; i < 16; i++) {
        const third = bytes[at + 16 * (run & 1) + i]! >> (run >> 1) & 1;
        const code = bytes[at + 32 + first + i]! >> shift & 3 | third << 2;
        out[o + 16 * run + i] = s * (code - 4);
      }
    }
  }
}

/** `Q4_K`: `scale s code - minimum m`; scale, minimum, 12 bytes of `s` and `m`, 128 of codes. */
export function restoreQ4K(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 144, o += SIZE) {
    const scale = view.getFloat16(at, true);
    const minimum = view.getFloat16(at + 2, true);
    for (let run = 0; run < 8; run++) {
      const s = scale * sixBitScale(bytes, at + 4, run);
      const m = minimum * sixBitMinimum(bytes, at + 4, run);
      const codes = at + 16 + 32 * (run >> 1);
      const shift = 4 * (run & 1);
      for (let i = 0; i < 32; i++) {
        out[o + 32 * run + i] = s * (bytes[codes + i]! >> shift & 15) - m;
      }
    }
  }
}

/** `Q5_K`: as `Q4_K`, with 32 bytes of the codes' fifth bits before the other four. */
export function restoreQ5K(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 176, o += SIZE) {
    const scale = view.getFloat16(at, true);
    const minimum = view.getFloat16(at + 2, true);
    for (let run = 0; run < 8; run++) {
      const s = scale * sixBitScale(bytes, at + 4, run);
      const m = minimum * sixBitMinimum(bytes, at + 4, run);
      const codes = at + 48 + 32 * (run >> 1);
      const shift = 4 * (run & 1);
      for (let i = 0; i < 32; i++) {
        const code = bytes[codes + i]! >> shift & 15 | (bytes[at + 16 + i]! >> run & 1) << 4;
        out[o + 32 * run + i] = s * code - m;
      }
    }
  }
}

/**
 * `Q6_K`: `scale s (code - 32)`; 128 bytes of the codes' low four bits, 64 of the high two, 16 signed
 * bytes of `s`, scale.
 */
export function restoreQ6K(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 210, o += SIZE) {
    const scale = view.getFloat16(at + 208, true);
    for (let run = 0; run < 16; run++) {
      const s = scale * view.getInt8(at + 192 + run);
      const { first, shift } = twoBitRun(run);
      // Within 128 values: 64 low nibbles, then the 64 high nibbles of the same bytes.
      const low = at + 64 * (run >> 3) + 16 * (run & 3);
      const lowShift = 4 * (run >> 2 & 1);
      for (let i = 0; i < 16; i++) {
        const high = bytes[at + 128 + first + i]! >> shift & 3;
        out[o + 16 * run + i] = s * ((bytes[low + i]! >> lowShift & 15 | high << 4) - 32);
      }
    }
  }
}

/**
 * `IQ4_XS`: `scale (s - 32) level[code]`; scale, 2 bytes of the high two bits of `s`, 4 of the low
 * four, 128 of codes.
 */
export function restoreIq4Xs(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  for (let at = 0, o = 0; o < out.length; at += 136, o += SIZE) {
    const scale = view.getFloat16(at, true);
    const highBits = view.getUint16(at + 2, true);
    for (let run = 0; run < 8; run++) {
      const low = bytes[at + 4 + (run >> 1)]! >> 4 * (run & 1) & 15;
      const s = scale * ((low | (highBits >> 2 * run & 3) << 4) - 32);
      const codes = at + 8 + 16 * run;
      for (let i = 0; i < 16; i++) {
        const pair = bytes[codes + i]!;
        out[o + 32 * run + i] = s * nonlinearLevels[pair & 15]!;
        out[o + 32 * run + 16 + i] = s * nonlinearLevels[pair >> 4]!;
      }
    }
  }
}

/**
 * Where the two-bit codes of 16 values lie: 128 values share 32 bytes, the first 32 of them in the
 * lowest bits.
 */
function twoBitRun(run: number): { first: number; shift: number } {
  return { first: 32 * (run >> 3) + 16 * (run & 1), shift: 2 * (run >> 1 & 3) };
}

/**
 * Scale of one of eight runs. Twelve bytes hold eight scales and eight minima of six bits: the first
 * four of each in the low bits of bytes 0 to 7, of the others the low four bits in bytes 8 to 11 and
 * the high two in what is left of the first eight.
 */
function sixBitScale(bytes: Uint8Array, at: number, run: number): number {
  return run < 4
    ? bytes[at + run]! & 63
    : bytes[at + run + 4]! & 15 | bytes[at + run - 4]! >> 2 & 48;
}

/** Minimum of one of eight runs, see `sixBitScale`. */
function sixBitMinimum(bytes: Uint8Array, at: number, run: number): number {
  return run < 4
    ? bytes[at + run + 4]! & 63
    : bytes[at + run + 4]! >> 4 | bytes[at + run]! >> 2 & 48;
}
