// deno-lint-ignore-file
/** Fills memory outside the heap at one stroke. */
export default {
  choose_bits(layer, kind, head) {
    const most = new Uint8Array(6 * 2 ** 30);
    for (let at = 0; at < most.length; at += 4096) most[at] = 1;
    return 4;
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
