/** Names a setting of the family with a result line. */
export default {
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
  family_options: () => ({
    "\u009b2K\nTEST_METRICS: slice=tiny policy=forged quality_main=100": 1,
  }),
};
