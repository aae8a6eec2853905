/** Second moments against plain loops, to the last bit. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { secondMoment } from "../../../quant/numerics/second_moment.ts";
import { kvData } from "../kv_data.ts";

Deno.test("second moments equal the sums written out, bit for bit", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 22 }),
    fc.nat({ max: 1e6 }),
    (count, n, seed) => {
      const rows = Float64Array.from(kvData(count, n, "outlier channels", seed), (x) => x / 3);
      const expected = new Float64Array(n * n).map((_, at) => {
        const [a, b] = [Math.floor(at / n), at % n];
        let sum = 0;
        for (let r = 0; r < count; r++) sum += rows[r * n + a]! * rows[r * n + b]!;
        return sum / count;
      });
      assertEquals(secondMoment(rows, n), expected);
    },
  ));
});
