import type { Codec } from "@kvreplay/kvreplay/codecs";

const GROUP = 64;
const TOP = 15;

/** Memory of a block: what `encode` and `decode` return is copied before they are called again. */
let bytes = new Uint8Array(0);
let parameters = new Float16Array(0);
let restored = new Float32Array(0);

/** The family `uniform` at 4 bits: codes of all heads, then a scale and a zero point a group. */
export default {
  /** Nobody waits for `reset`: what it runs is compiled by the time that blocks come. */
  reset({ kv_heads: heads, head_dim: headDim }) {
    const place = { first: 0, tokens: 1, heads, headDim };
    const data = Float32Array.from({ length: heads * headDim }, (_, i) => Math.sin(i));
    for (let token = 0; token < 512; token++) {
      this.decode(0, "key", this.encode(0, "key", { ...place, data }), place);
    }
  },

  encode(_layer, _kind, { data }) {
    makeRoom(data.length);
    for (let from = 0, at = 0; from < data.length; from += GROUP, at += 2) {
      encodeGroup(data, from, at);
    }
    return bytes;
  },

  decode(_layer, _kind, coded, { heads, tokens, headDim }) {
    makeRoom(heads * tokens * headDim);
    bytes.set(coded);
    for (let from = 0, at = 0; from < restored.length; from += GROUP, at += 2) {
      decodeGroup(from, at);
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

function encodeGroup(data: Float32Array, from: number, at: number) {
  let low = data[from]!, high = low;
  for (let i = from; i < from + GROUP; i++) {
    const x = data[i]!;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  const scale = Math.fround(Math.fround(high - low) / TOP);
  parameters[at] = scale;
  parameters[at + 1] = low;
  if (scale === 0) return void bytes.fill(0, from >> 1, (from + GROUP) >> 1);
  for (let i = from; i < from + GROUP; i += 2) {
    bytes[i >> 1] = code(data[i]!, low, scale) | code(data[i + 1]!, low, scale) << 4;
  }
}

function decodeGroup(from: number, at: number) {
  const scale = parameters[at]!, zero = parameters[at + 1]!;
  for (let i = from; i < from + GROUP; i += 2) {
    const two = bytes[i >> 1]!;
    restored[i] = Math.fround((two & TOP) * scale) + zero;
    restored[i + 1] = Math.fround((two >> 4) * scale) + zero;
  }
}

/** Ties to even, as float32 arithmetic rounds them. */
function code(x: number, zero: number, scale: number): number {
  const ROUND = 1.5 * 2 ** 52;
  const steps = Math.fround(Math.fround(x - zero) / scale);
  return (steps < TOP ? steps : TOP) + ROUND - ROUND;
}
