/** Returns an object with a million keys. */
export default {
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
  family_options(layer, kind) {
    if (layer > 0 || kind === "value") return {};
    const all = {};
    for (let i = 0; i < 1e6; i++) all["k" + i] = i;
    return all;
  },
};
