const kept = [];
export default {
  encode() {
    for (;;) {
      const { buffer } = new WebAssembly.Memory({ initial: 256 });
      new Uint8Array(buffer).fill(1);
      kept.push(buffer);
    }
  },
  decode: () => new Float32Array(0),
};
