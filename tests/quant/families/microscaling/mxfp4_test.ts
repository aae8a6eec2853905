/** SGLang's rule of `mxfp4`, for which there are no vectors of official code: worked out by hand. */
import { assertEquals, assertThrows } from "@std/assert";
import { mxfp4 } from "../../../../quant/families/microscaling/mxfp4.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { testOnBackends } from "../../backends.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { oneRow } from "../../stores/row/one_row.ts";

const SGLANG = { bits: [4], groupSize: 16, options: { exponent: "ceil" } };

testOnBackends("sglang: the scale is rounded up, and codes away from zero", async (backend) => {
  // 7 / 6 lies between 1 and 2, so the scale is 2, with the byte 128.
  const row = [7, 6, 5, 4, 3, 2, 1, 0.5, 0.4, 0, -0.4, -0.5, -1, -3, -5, -7];
  const { codes, parameters, restored } = await oneRow(backend, mxfp4, SGLANG, row);
  assertEquals(parameters[0], 128);
  // In halves: 3.5 is as near to 3 as to 4, 2.5 to 2 and 3, 1.25 and so on; they go up.
  assertEquals(restored, [8, 6, 6, 4, 3, 2, 1, 1, 0, 0, 0, -1, -1, -3, -6, -8]);
  // 6, 5 | 5, 4 | 3, 2 | 1, 1 | 0, 0 | -0, -1 | -1, -3 | -5, -6, the first in the low half.
  assertEquals([...codes], [0x56, 0x45, 0x23, 0x11, 0x00, 0x98, 0xb9, 0xed]);
});

testOnBackends(
  "sglang: a power of two is its own scale, and nothing has the least",
  async (backend) => {
    const exact = await oneRow(backend, mxfp4, SGLANG, new Array(16).fill(24));
    assertEquals([exact.parameters[0], exact.restored[0]], [127 + 2, 24]);
    const zero = await oneRow(backend, mxfp4, SGLANG, new Array(16).fill(0));
    // 1e-10 lies between 2^-34 and 2^-33.
    assertEquals([zero.parameters[0], zero.restored[0]], [127 - 33, 0]);
  },
);

Deno.test("mxfp4 has blocks of 16 or 32 that divide a head", () => {
  const resolve = (groupSize: number, headDim: number) =>
    settingsFor(mxfp4, answers("key", { bits: [4], groupSize }), { heads: 1, headDim });
  assertThrows(() => resolve(64, 64), QuantizerError, "group_size is 64; it must be 16 or 32");
  assertThrows(
    () => resolve(32, 48),
    QuantizerError,
    "a group of 32 does not divide the 48 channels",
  );
});
