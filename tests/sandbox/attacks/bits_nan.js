// deno-lint-ignore-file
/** Asks for NaN bits. */
export default {
  choose_bits(layer, kind, head) {
    return NaN;
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
