import type { Codec } from "@kvreplay/kvreplay/codecs";

const GROUP = 32;
const WINDOW = 128;
const TOP = 15;

/** Memory of a block: what `encode` and `decode` return is copied before they are called again. */
let bytes = new Uint8Array(0);
let parameters = new Float16Array(0);
let restored = new Float32Array(0);

/**
 * The family `kivi` at 4 bits: keys in groups of 32 tokens of a channel, values in groups of 32
 * channels of a token; codes, then a scale and a zero point a group.
 */
export default {
  blocks: (kind) => kind === "key" ? { tokens: WINDOW } : { window: WINDOW },

  /** Nobody waits for `reset`: what it runs is compiled by the time that blocks come. */
  reset({ kv_heads: heads, head_dim: headDim }) {
    for (const [kind, tokens] of [["key", WINDOW], ["value", 1]] as const) {
      const place = { first: 0, tokens, heads, headDim };
      const data = Float32Array.from({ length: heads * tokens * headDim }, (_, i) => Math.sin(i));
      for (let token = 0; token < 512; token += tokens) {
        this.decode(0, kind, this.encode(0, kind, { ...place, data }), place);
      }
    }
  },

  encode(_layer, kind, { headDim, data }) {
    makeRoom(data.length);
    // Entries of a group lie next to each other, or one token apart.
    const stride = kind === "key" ? headDim : 1;
    for (let group = 0; group < data.length / GROUP; group++) {
      encodeGroup(data, firstOf(group, stride), stride, group);
    }
    return bytes;
  },

  decode(_layer, kind, coded, { heads, tokens, headDim }) {
    makeRoom(heads * tokens * headDim);
    bytes.set(coded);
    const stride = kind === "key" ? headDim : 1;
    for (let group = 0; group < restored.length / GROUP; group++) {
      decodeGroup(firstOf(group, stride), stride, group);
    }
    return restored;
  },
} satisfies Codec;

function makeRoom(entries: number) {
  if (restored.length === entries) return;
  restored = new Float32Array(entries);
  bytes = new Uint8Array(entries / 2 + 4 * entries / GROUP);
  parameters = new Float16Array(bytes.buffer, entries / 2);
}

/** Index of the first entry of a group; as many groups as a token has channels stand side by side. */
function firstOf(group: number, stride: number): number {
  const beside = group % stride;
  return (group - beside) * GROUP + beside;
}

function encodeGroup(data: Float32Array, first: number, stride: number, group: number) {
  let low = data[first]!, high = low;
  for (let j = 0, i = first; j < GROUP; j++, i += stride) {
    const x = data[i]!;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  const scale = Math.fround(Math.fround(high - low) / TOP);
  parameters[2 * group] = scale;
  parameters[2 * group + 1] = low;
  const at = group * GROUP / 2;
  if (scale === 0) return void bytes.fill(0, at, at + GROUP / 2);
  for (let j = 0, i = first; j < GROUP / 2; j++, i += 2 * stride) {
    bytes[at + j] = code(data[i]!, low, scale) | code(data[i + stride]!, low, scale) << 4;
  }
}

function decodeGroup(first: number, stride: number, group: number) {
  const scale = parameters[2 * group]!, zero = parameters[2 * group + 1]!;
  const at = group * GROUP / 2;
  for (let j = 0, i = first; j < GROUP / 2; j++, i += 2 * stride) {
    const two = bytes[at + j]!;
    restored[i] = Math.fround((two & TOP) * scale) + zero;
    restored[i + stride] = Math.fround((two >> 4) * scale) + zero;
  }
}

/** Ties to even, as float32 arithmetic rounds them. */
function code(x: number, zero: number, scale: number): number {
  const ROUND = 1.5 * 2 ** 52;
  const steps = Math.fround(Math.fround(x - zero) / scale);
  return (steps < TOP ? steps : TOP) + ROUND - ROUND;
}
