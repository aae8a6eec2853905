export default {
  reset: () => new Promise(() => {}),
  encode: () => new Uint8Array(1),
  decode: () => new Float32Array(0),
};
