// deno-lint-ignore-file
/** Asks for negative bits. */
export default {
  choose_bits(layer, kind, head) {
    return -4;
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
