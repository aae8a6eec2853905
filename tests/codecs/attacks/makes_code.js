export default {
  encode: () => (() => {}).constructor("return new Uint8Array(1)")(),
  decode: () => new Float32Array(0),
};
