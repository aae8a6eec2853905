// deno-lint-ignore-file
/** Returns keys that reach prototypes when they are merged. */
export default {
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
  family_options(layer) {
    return { constructor: { prototype: { polluted: 1 } } };
  },
};
