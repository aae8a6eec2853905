/** The float64 product against plain loops, to the last bit. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { multiplyRows } from "../../../quant/numerics/multiply_rows.ts";
import { kvData } from "../kv_data.ts";

Deno.test("multiplied rows equal the sums written out, bit for bit", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 0, max: 70 }),
    fc.nat({ max: 1e6 }),
    (count, columns, inner, seed) => {
      const data = (n: number, look: "normal" | "outlier channels", s: number) =>
        n * inner === 0
          ? new Float64Array(0)
          : Float64Array.from(kvData(n, inner, look, s), (x) => x / 3);
      const rows = data(count, "outlier channels", seed);
      const matrix = data(columns, "normal", seed + 1);
      const out = new Float64Array(count * columns).fill(NaN);
      multiplyRows(rows, count, matrix, columns, inner, out);
      const expected = out.map((_, at) => {
        const [row, column] = [Math.floor(at / columns) * inner, at % columns * inner];
        let sum = 0;
        for (let i = 0; i < inner; i++) sum += rows[row + i]! * matrix[column + i]!;
        return sum;
      });
      assertEquals(out, expected);
    },
  ));
});
