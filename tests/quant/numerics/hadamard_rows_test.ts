/** Rotations of many rows in WebAssembly against `hadamard` row by row, to the last bit. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { hadamardRows } from "../../../quant/numerics/hadamard_rows.ts";
import { hadamard } from "../../../quant/numerics/random_rotation.ts";
import { KV_LOOKS, kvData } from "../kv_data.ts";

Deno.test("rotated rows equal rows that are rotated one by one, bit for bit", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 2, max: 8 }),
    fc.constantFrom(...KV_LOOKS),
    fc.nat({ max: 1e6 }),
    (count, log, look, seed) => {
      const dim = 2 ** log;
      const rows = kvData(count, dim, look, seed);
      const expected = rows.slice();
      for (let row = 0; row < count; row++) hadamard(expected, row * dim, dim);
      hadamardRows(rows, count, dim);
      assertEquals(new Uint32Array(rows.buffer), new Uint32Array(expected.buffer));
    },
  ));
});

Deno.test("rows behind those that are counted stay as they are", () => {
  const rows = new Float32Array(3 * 4).fill(1);
  hadamardRows(rows, 2, 4);
  assertEquals([...rows], [2, 0, 0, 0, 2, 0, 0, 0, 1, 1, 1, 1]);
});
