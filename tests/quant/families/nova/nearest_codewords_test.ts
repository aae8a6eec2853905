/** Codewords that are found many at a time against those found one by one. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import {
  CodewordFinder,
  nearestCodeword,
} from "../../../../quant/families/nova/nearest_codewords.ts";
import { kvData } from "../../kv_data.ts";

const FOLDER = new URL("../../../../quant/families/nova/", import.meta.url);

Deno.test("many rows find the codewords that each finds alone", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 256 }),
    fc.integer({ min: 0, max: 600 }),
    fc.integer({ min: 0, max: 3 }),
    fc.boolean(),
    fc.nat({ max: 1e6 }),
    (groups, words, count, strongest, coarse, seed) => {
      // Components are of very different sizes; coarse ones have many equals, and equal distances.
      const shape = (x: number, i: number) => {
        const own = x * 0.3 ** ((i + 4 - strongest) % 4);
        return Math.fround(coarse ? Math.round(2 * own) / 2 : own);
      };
      const books = Array.from(
        { length: groups },
        (_, g) => Float64Array.from(kvData(words, 4, "normal", seed + g + 1).map(shape)),
      );
      const rows = count === 0
        ? new Float32Array(0)
        : kvData(count, 4 * groups, "normal", seed).map(shape);
      const step = groups + 2;
      const codes = new Uint8Array(count * step).fill(9);
      new CodewordFinder(books).find(rows, count, codes, step);
      for (let t = 0; t < count; t++) {
        const found = [...codes.subarray(t * step, (t + 1) * step)];
        const alone = books.map((book, g) => nearestCodeword(rows, 4 * (t * groups + g), book));
        assertEquals(found, [...alone, 9, 9]);
      }
    },
  ));
});

Deno.test("rows that are zero, far away or not numbers have a codeword, too", () => {
  const book = Float64Array.from(kvData(256, 4, "normal", 5));
  const rows = Float32Array.of(0, 0, 0, 0, 90, -90, 90, 90, NaN, 0, 1, 2, -8, 0, 0, 1e-40);
  const codes = new Uint8Array(4);
  new CodewordFinder([book]).find(rows, 4, codes, 1);
  assertEquals([...codes], [0, 4, 8, 12].map((at) => nearestCodeword(rows, at, book)));
});

Deno.test("nearest_codewords.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("nearest_codewords.wat", FOLDER));
  const module = (await wabt()).parseWat("nearest_codewords.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("nearest_codewords.wasm", FOLDER)),
  );
});
