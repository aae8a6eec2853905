// deno-lint-ignore-file
/** Fills the heap. */
export default {
  choose_bits(layer, kind, head) {
    const kept = [];
    for (;;) kept.push(new Array(1000).fill(layer));
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
