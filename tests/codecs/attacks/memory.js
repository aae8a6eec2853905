const kept = [];
export default {
  encode() {
    for (;;) kept.push(new Uint8Array(2 ** 24).fill(1));
  },
  decode: () => new Float32Array(0),
};
