// deno-lint-ignore-file
/** Throws what cannot be described. */
export default {
  choose_bits(layer, kind, head) {
    throw new Proxy({}, {
      get() {
        throw 1;
      },
      getPrototypeOf() {
        throw 2;
      },
    });
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
