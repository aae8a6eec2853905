export default { encode: () => new Uint8Array(1) };
