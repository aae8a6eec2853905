// The decoder draws at random: no run is like another.
export default {
  encode: (_l, _k, { data }) => new Uint8Array(Float16Array.from(data).buffer),
  decode: (_l, _k, bytes) =>
    Float32Array.from(new Float16Array(bytes.buffer), (x) => x * (1 + Math.random() / 8)),
};
