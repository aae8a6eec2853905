export default { encode: () => new Uint8Array(1), decode: () => [1, 2, 3] };
