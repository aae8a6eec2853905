// deno-lint-ignore-file
/** Starts promises that never end; they must not run between or after questions. */
export default {
  choose_bits(layer, kind, head) {
    (async () => {
      for (;;) await null;
    })();
    queueMicrotask(function again() {
      queueMicrotask(again);
    });
    return 4;
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
