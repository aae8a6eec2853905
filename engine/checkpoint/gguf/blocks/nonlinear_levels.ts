/**
 * @module
 */

/**
 * The sixteen levels of `IQ4_NL` and `IQ4_XS`, closer to each other near zero, where weights are
 * frequent (ggml-org/ggml, src/ggml-common.h, `kvalues_iq4nl`).
 */
export const nonlinearLevels: Int8Array = new Int8Array([
  ...[-127, -104, -83, -65, -49, -35, -22, -10],
  ...[1, 13, 25, 38, 53, 69, 89, 113],
]);
