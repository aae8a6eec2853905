/** onnxruntime's WebGPU cache, worked out by hand. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ortWebgpu } from "../../../../quant/families/ort_webgpu/ort_webgpu.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { testOnBackends } from "../../backends.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { oneRow } from "../../stores/row/one_row.ts";

testOnBackends("8 bits: a float32 scale, then signed bytes, halves to even", async (backend) => {
  // The largest magnitude is 254, so the scale is 2.
  const row = [254, -254, 1, 3, -3, 10, 0, -2];
  const { codes, restored } = await oneRow(backend, ortWebgpu, { bits: [8] }, row);
  assertEquals(new Float32Array(codes.buffer)[0], 2);
  assertEquals([...new Int8Array(codes.buffer).subarray(4)], [127, -127, 0, 2, -2, 5, 0, -1]);
  assertEquals(restored, [254, -254, 0, 4, -4, 10, 0, -2]);
});

testOnBackends("4 bits: the rotated vector's length, then the nearest levels", async (backend) => {
  const row = [8, 0, 0, 0, 0, 0, 0, 0];
  const { codes, restored } = await oneRow(backend, ortWebgpu, { bits: [4] }, row);
  // All coordinates become 1 / sqrt(8) of the length, beyond the last bound.
  assertAlmostEquals(new Float32Array(codes.buffer)[0]!, 8, 1e-5);
  assertEquals([...codes.subarray(4)], [0xff, 0xff, 0xff, 0xff]);
  assertAlmostEquals(restored[0]!, 8 * 0.2377 * Math.sqrt(8), 1e-4);
  assert(restored.slice(1).every((x) => Math.abs(x) < 1e-5));
});

testOnBackends("4 bits: of two signs, the lower levels mirror the upper ones", async (backend) => {
  // Coordinates 3 and -1 of each pair, turned: all in the first two of the matrix' rows.
  const row = [1, 2, 0, 0, 0, 0, 0, 0];
  const { codes } = await oneRow(backend, ortWebgpu, { bits: [4] }, row);
  // 3 / sqrt(8) / sqrt(5) is 0.474 and -1 / sqrt(40) is -0.158: codes 15 and 2.
  assertEquals([...codes.subarray(4)], [0x2f, 0x2f, 0x2f, 0x2f]);
});

testOnBackends("a row of zeros has no scale", async (backend) => {
  for (const bits of [4, 8]) {
    const { codes, restored } = await oneRow(
      backend,
      ortWebgpu,
      { bits: [bits] },
      new Array(8).fill(0),
    );
    assertEquals([...codes.subarray(0, 4)], [0, 0, 0, 0]);
    assertEquals(restored, new Array(8).fill(0));
  }
});

Deno.test("4 bits need a power of two of channels", () => {
  assertThrows(
    () => settingsFor(ortWebgpu, answers("key", { bits: [4] }), { heads: 1, headDim: 96 }),
    QuantizerError,
    "onnxruntime rotates a head of 96 channels for 4 bits; that takes a power of two of at least 8",
  );
});
