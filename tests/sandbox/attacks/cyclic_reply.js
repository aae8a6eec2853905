// deno-lint-ignore-file
/** Returns an object that contains itself. */
export default {
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
  family_options(layer) {
    const all = {};
    all.all = all;
    return all;
  },
};
