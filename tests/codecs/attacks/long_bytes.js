export default { encode: () => new Uint8Array(2 ** 27), decode: () => new Float32Array(0) };
