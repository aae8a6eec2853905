/** What predictions leave of rows, against the same written out. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import { putBack, takeOff } from "../../../../quant/families/aquakv/residual_rows.ts";
import { finiteHalf } from "../../../../quant/packing/half.ts";
import { kvData } from "../../kv_data.ts";

const FOLDER = new URL("../../../../quant/families/aquakv/", import.meta.url);

Deno.test("predictions are taken off and put back entry by entry", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 11 }),
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 0, max: 4 }),
    // Entries and sums beyond half precision, too, and sums that are no numbers.
    fc.constantFrom(1, 1, 1e5),
    fc.nat({ max: 1e6 }),
    (heads, headDim, count, token, size, seed) => {
      const capacity = token + count + 2;
      const data = kvData(heads * capacity, headDim, "normal", seed)
        .map((x) => x * size) as Float32Array<ArrayBuffer>;
      const predicted = kvData(count, heads * headDim, "normal", seed + 1).map((x) => x * size);
      const left = new Float32Array(predicted.length).fill(NaN);
      takeOff({ heads, capacity, headDim, data }, token, predicted, left);
      const expected = predicted.map((p, i) => {
        const [t, c] = [Math.floor(i / (heads * headDim)), i % (heads * headDim)];
        const at = (Math.floor(c / headDim) * capacity + token + t) * headDim + c % headDim;
        return finiteHalf(data[at]!) - p;
      });
      assertEquals(left, expected);
      if (size > 1) {
        left[0] = Infinity;
        predicted[0] = -Infinity;
        left[left.length - 1] = -Infinity;
      }
      const rows = new Float32Array(left.length + 3).fill(7);
      putBack(left, predicted, rows);
      const sums = left.map((x, i) => finiteHalf(x + predicted[i]!));
      assertEquals(rows, Float32Array.of(...sums, 7, 7, 7));
    },
  ));
});

Deno.test("residual_rows.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("residual_rows.wat", FOLDER));
  const module = (await wabt()).parseWat("residual_rows.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("residual_rows.wasm", FOLDER)),
  );
});
