import type { Codec } from "@kvreplay/kvreplay/codecs";

const GROUP = 32;
const WINDOW = 128;
const TOP = 15;

/**
 * The family `kivi` at 4 bits: keys in groups of 32 tokens of a channel, values in groups of 32
 * channels of a token; codes, then a scale and a zero point a group.
 */
export default {
  blocks: (kind) => kind === "key" ? { tokens: WINDOW } : { window: WINDOW },

  encode(_layer, kind, { heads, tokens, headDim, data }) {
    // Entries of a group lie next to each other, or one token apart.
    const stride = kind === "key" ? headDim : 1;
    const groups = data.length / GROUP;
    const bytes = new Uint8Array(data.length / 2 + 4 * groups);
    const parameters = new Float16Array(bytes.buffer, data.length / 2);
    let group = 0;
    for (const first of starts(kind, heads, tokens, headDim)) {
      let low = Infinity, high = -Infinity;
      for (let i = first; i < first + GROUP * stride; i += stride) {
        const x = data[i]!;
        if (x < low) low = x;
        if (x > high) high = x;
      }
      const scale = Math.fround(Math.fround(high - low) / TOP);
      parameters[2 * group] = scale;
      parameters[2 * group + 1] = low;
      if (scale > 0) {
        for (let j = 0, i = first; j < GROUP; j += 2, i += 2 * stride) {
          bytes[(group * GROUP + j) >> 1] = code(data[i]!, low, scale) |
            code(data[i + stride]!, low, scale) << 4;
        }
      }
      group++;
    }
    return bytes;
  },

  decode(_layer, kind, bytes, { heads, tokens, headDim }) {
    const stride = kind === "key" ? headDim : 1;
    const restored = new Float32Array(heads * tokens * headDim);
    const parameters = new Float16Array(bytes.buffer, restored.length / 2);
    let group = 0;
    for (const first of starts(kind, heads, tokens, headDim)) {
      const scale = parameters[2 * group]!, zero = parameters[2 * group + 1]!;
      for (let j = 0, i = first; j < GROUP; j += 2, i += 2 * stride) {
        const two = bytes[(group * GROUP + j) >> 1]!;
        restored[i] = Math.fround((two & TOP) * scale) + zero;
        restored[i + stride] = Math.fround((two >> 4) * scale) + zero;
      }
      group++;
    }
    return restored;
  },
} satisfies Codec;

/** Index of the first entry of every group. */
function starts(kind: "key" | "value", heads: number, tokens: number, headDim: number): number[] {
  const all: number[] = [];
  const entries = heads * tokens * headDim;
  if (kind === "value") {
    for (let i = 0; i < entries; i += GROUP) all.push(i);
    return all;
  }
  for (let row = 0; row < heads * tokens; row += GROUP) {
    for (let channel = 0; channel < headDim; channel++) all.push(row * headDim + channel);
  }
  return all;
}

/** Ties to even, as float32 arithmetic rounds them. */
function code(x: number, zero: number, scale: number): number {
  const ROUND = 1.5 * 2 ** 52;
  const steps = Math.fround(Math.fround(x - zero) / scale);
  return (steps < TOP ? steps : TOP) + ROUND - ROUND;
}
