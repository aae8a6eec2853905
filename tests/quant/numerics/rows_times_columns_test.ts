/** The float32 product against plain loops, and the binaries against their sources. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import { multiplyRows } from "../../../quant/numerics/multiply_rows.ts";
import { paddedTo4, rowsTimesColumns } from "../../../quant/numerics/rows_times_columns.ts";
import { sparseRowsProduct } from "../../../quant/numerics/sparse_rows_product.ts";
import { kvData } from "../kv_data.ts";

const FOLDER = new URL("../../../quant/numerics/", import.meta.url);

Deno.test("rows times columns equals the sums written out", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 0, max: 70 }),
    fc.nat({ max: 1e6 }),
    (count, four, inner4, seed) => {
      const [columns, inner] = [4 * four, 4 * inner4];
      const rows = inner === 0 ? new Float32Array(0) : kvData(count, inner, "normal", seed);
      const matrix = inner === 0 ? new Float32Array(0) : kvData(columns, inner, "normal", seed + 1);
      const out = new Float32Array(count * columns).fill(NaN);
      rowsTimesColumns(rows, count, matrix, columns, inner, out);
      const expected = new Float64Array(count * columns);
      multiplyRows(
        Float64Array.from(rows),
        count,
        Float64Array.from(matrix),
        columns,
        inner,
        expected,
      );
      expected.forEach((x, i) => assertAlmostEquals(out[i]!, x, 1e-4 * (1 + Math.abs(x))));
    },
  ));
});

Deno.test("rows with zeros times a matrix give the bits that all rows times its columns do", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 0, max: 10 }),
    fc.nat({ max: 1e6 }),
    (count, four, inner4, zeros, seed) => {
      const [columns, inner] = [4 * four, 4 * inner4];
      const rows = kvData(count, inner, "normal", seed)
        .map((x, i) => (7 * i + seed + i * i) % 10 < zeros ? i % 3 === 0 ? -0 : 0 : x);
      const turned = kvData(columns, inner, "normal", seed + 1);
      const matrix = new Float32Array(turned.length);
      turned.forEach((x, at) => matrix[at % inner * columns + Math.floor(at / inner)] = x);
      const [out, expected] = [1, 2].map(() => new Float32Array(count * columns).fill(NaN));
      sparseRowsProduct(rows, count, matrix, columns, inner, out!);
      rowsTimesColumns(rows, count, turned, columns, inner, expected!);
      assertEquals(out, expected);
    },
  ));
});

Deno.test("padding goes to the next multiple of 4", () => {
  assertEquals([0, 1, 4, 5, 127].map(paddedTo4), [0, 4, 4, 8, 128]);
});

const MODULES = [
  "rows_times_columns",
  "sparse_rows_product",
  "multiply_rows",
  "hadamard_rows",
  "second_moment",
];

for (const name of MODULES) {
  Deno.test(`${name}.wasm is what its source assembles to`, async () => {
    const source = await Deno.readTextFile(new URL(`${name}.wat`, FOLDER));
    const module = (await wabt()).parseWat(`${name}.wat`, source, { simd: true });
    assertEquals(
      module.toBinary({}).buffer,
      await Deno.readFile(new URL(`${name}.wasm`, FOLDER)),
    );
  });
}
