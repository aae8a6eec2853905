export default {
  blocks: () => ({ sinks: 4 }),
  encode: () => new Uint8Array(1),
  decode: () => new Float32Array(0),
};
