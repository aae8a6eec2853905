// deno-lint-ignore-file
/** Returns keys that reach prototypes when they are assigned. */
export default {
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
  family_options(layer) {
    return JSON.parse('{"__proto__": {"polluted": 1}}');
  },
};
