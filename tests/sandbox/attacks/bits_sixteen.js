// deno-lint-ignore-file
/** Asks for full precision, which only the reference may have. */
export default {
  choose_bits(layer, kind, head) {
    return 16;
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
