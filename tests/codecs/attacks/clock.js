const bytes = () => new Uint8Array(Float64Array.of(performanceOf()).buffer);
const performanceOf = () => Date.now() + Math.random();
export default {
  encode: bytes,
  decode: (_l, _k, _b, { heads, tokens, headDim }) => new Float32Array(heads * tokens * headDim),
};
