export default { encode: () => new Uint8Array(1), decode: () => new Float32Array(3) };
