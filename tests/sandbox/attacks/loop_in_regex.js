/** Spends for ever inside a built-in that cannot be interrupted. */
export default {
  choose_bits: () => /^(a+)+$/.test("a".repeat(60) + "b") ? 4 : 2,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
