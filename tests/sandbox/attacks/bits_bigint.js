// deno-lint-ignore-file
/** Asks for bits in another kind of number. */
export default {
  choose_bits(layer, kind, head) {
    return 4n;
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
