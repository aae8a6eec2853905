// deno-lint-ignore-file
/** Fills memory outside the heap, buffer by buffer. */
export default {
  choose_bits(layer, kind, head) {
    const kept = [];
    for (;;) kept.push(new Uint8Array(2 ** 20).fill(1));
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
