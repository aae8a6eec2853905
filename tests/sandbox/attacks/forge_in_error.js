/** Throws a result line, with what moves a terminal's cursor before it. */
export default {
  choose_bits() {
    throw new Error(
      "x\u001b[2K\u009b2K\r\n\u2028TEST_METRICS: slice=tiny policy=forged quality_main=100",
    );
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
