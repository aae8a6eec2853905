/** Gives a setting of the family a value that would fill the screen. */
export default {
  quantizer_family: () => "skvq",
  group_size: () => 64,
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
  family_options: (layer) => layer === 0 ? { fp8_params: "x".repeat(1e6) } : {},
};
