/** Symmetric codes of 4 bits, for which there are no vectors of official code: worked out by hand. */
import { assertEquals } from "@std/assert";
import { intTokenHead } from "../../../../quant/families/int_token_head/int_token_head.ts";
import { testOnBackends } from "../../backends.ts";
import { oneRow } from "../../stores/row/one_row.ts";

testOnBackends("int4 around zero: ends of -7 and 7, halves to the even step", async (backend) => {
  // The largest magnitude is 14, so the scale is 2.
  const row = [14, -14, 1, 3, 5, -1, -3, 0];
  const { codes, parameters, restored } = await oneRow(backend, intTokenHead, { bits: [4] }, row);
  assertEquals(new Float32Array(parameters.buffer)[0], 2);
  assertEquals(restored, [14, -14, 0, 4, 4, 0, -4, 0]);
  // 7, -7 | 0, 2 | 2, 0 | -2, 0 as nibbles of two's complement, the first in the low half.
  assertEquals([...codes], [0x97, 0x20, 0x02, 0x0e]);
});

testOnBackends(
  "int4 from the least entry: entry i beside entry i + headDim / 2",
  async (backend) => {
    const row = [0, 1, 2, 3, 12, 13, 14, 15];
    const ask = { bits: [4], symmetric: false, options: { parameters: "f16" } };
    const { codes, parameters, restored } = await oneRow(backend, intTokenHead, ask, row);
    assertEquals([...codes], [0xc0, 0xd1, 0xe2, 0xf3]);
    assertEquals([...new Float16Array(parameters.buffer)], [1, 0]);
    assertEquals(restored, row);
  },
);
