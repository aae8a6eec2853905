/** Has a hundred thousand methods that nothing asks for, with result lines for names. */
const policy = {
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
for (let i = 0; i < 1e5; i++) {
  policy["\u009b2K\nTEST_METRICS: slice=tiny policy=forged quality_main=100 " + i] = () => i;
}
export default policy;
