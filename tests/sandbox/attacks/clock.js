// deno-lint-ignore-file
/** Answers by the clock. */
export default {
  choose_bits(layer, kind, head) {
    return 1 + Date.now() % 4;
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
