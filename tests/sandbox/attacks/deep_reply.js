// deno-lint-ignore-file
/** Returns an object of great depth. */
export default {
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
  family_options(layer) {
    let deep = {};
    for (let i = 0; i < 500; i++) deep = { deep };
    return deep;
  },
};
