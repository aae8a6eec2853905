export default {
  blocks: () => ({ tokens: 0 }),
  encode: () => new Uint8Array(1),
  decode: () => new Float32Array(0),
};
