import type { Codec } from "@kvreplay/kvreplay/codecs";

const GROUP = 64;
const TOP = 15;

/** The family `uniform` at 4 bits: codes of all heads, then a scale and a zero point a group. */
export default {
  encode(_layer, _kind, { heads, headDim, data }) {
    const groups = heads * headDim / GROUP;
    const bytes = new Uint8Array(data.length / 2 + 4 * groups);
    const parameters = new Float16Array(bytes.buffer, data.length / 2);
    for (let group = 0; group < groups; group++) {
      const from = group * GROUP;
      let low = Infinity, high = -Infinity;
      for (let i = from; i < from + GROUP; i++) {
        const x = data[i]!;
        if (x < low) low = x;
        if (x > high) high = x;
      }
      const scale = Math.fround(Math.fround(high - low) / TOP);
      parameters[2 * group] = scale;
      parameters[2 * group + 1] = low;
      if (scale === 0) continue;
      for (let i = from; i < from + GROUP; i += 2) {
        bytes[i >> 1] = code(data[i]!, low, scale) | code(data[i + 1]!, low, scale) << 4;
      }
    }
    return bytes;
  },

  decode(_layer, _kind, bytes, { heads, tokens, headDim }) {
    const restored = new Float32Array(heads * tokens * headDim);
    const parameters = new Float16Array(bytes.buffer, restored.length / 2);
    for (let from = 0, at = 0; from < restored.length; from += GROUP, at += 2) {
      const scale = parameters[at]!, zero = parameters[at + 1]!;
      for (let i = from; i < from + GROUP; i += 2) {
        const two = bytes[i >> 1]!;
        restored[i] = Math.fround((two & TOP) * scale) + zero;
        restored[i + 1] = Math.fround((two >> 4) * scale) + zero;
      }
    }
    return restored;
  },
} satisfies Codec;

/** Ties to even, as float32 arithmetic rounds them. */
function code(x: number, zero: number, scale: number): number {
  const ROUND = 1.5 * 2 ** 52;
  const steps = Math.fround(Math.fround(x - zero) / scale);
  return (steps < TOP ? steps : TOP) + ROUND - ROUND;
}
