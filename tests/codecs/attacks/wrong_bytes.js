export default { encode: () => "bytes", decode: () => new Float32Array(0) };
