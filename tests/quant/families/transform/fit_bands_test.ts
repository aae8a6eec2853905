/** The search for tables in WebAssembly against a plain one. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import {
  CERTAIN_ESCAPE,
  coarserTable,
  sharedAlphabets,
  TABLES,
} from "../../../../quant/families/transform/component_alphabets.ts";
import { fitBands } from "../../../../quant/families/transform/fit_bands.ts";
import { GROUP_TOKENS } from "../../../../quant/families/transform/transform_layout.ts";

const FOLDER = new URL("../../../../quant/families/transform/", import.meta.url);

/** Quarters of an octave, as the format has them, and components of a band. */
const SHIFTS = [-8, -5, -2, 0, 2, 4, 7, 11];
const BAND = 8;

Deno.test("bands have the first of the shifts at which their symbols cost least", () => {
  fc.assert(fc.property(
    fc.constantFrom(1, 2, 4, 8),
    fc.array(fc.integer({ min: 0, max: TABLES }), { maxLength: 40 }),
    fc.nat(),
    fc.constantFrom(1, 3, 1000),
    (width, tables, seed, spread) => {
      const alphabets = sharedAlphabets(2 ** width);
      const stored = tables.length;
      const symbols = Uint8Array.from({ length: GROUP_TOKENS * stored }, (_, i) => {
        const drawn = Math.imul(seed + i, 2654435761) >>> 16;
        // All that the table whose escape is certain has is the escape.
        const own = tables[i % stored] === CERTAIN_ESCAPE ? alphabets.symbols : drawn % spread;
        return Math.min(own, alphabets.symbols - 1);
      });
      const expected: number[] = [];
      let total = 0;
      for (let first = 0; first < stored; first += BAND) {
        const sums = SHIFTS.map((quarters) => {
          let sum = 0;
          for (const [i, symbol] of symbols.entries()) {
            const k = i % stored;
            if (k < first || k >= first + BAND) continue;
            const table = tables[k]!;
            const own = table === CERTAIN_ESCAPE ? table : coarserTable(table, quarters);
            sum += alphabets.costs[own * alphabets.symbols + symbol]!;
          }
          return sum;
        });
        expected.push(sums.indexOf(Math.min(...sums)));
        total += Math.min(...sums);
      }
      const shifts = new Uint8Array(expected.length);
      assertEquals(fitBands(alphabets, Uint16Array.from(tables), symbols, shifts), total);
      assertEquals([...shifts], expected);
    },
  ));
});

Deno.test("no band of a group costs what 16 bits do not hold", () => {
  for (const width of [1, 4, 8]) {
    const { costs, frequencies } = sharedAlphabets(2 ** width);
    const dearest = Math.max(...costs.filter((_, i) => frequencies[i]! > 0));
    assertEquals(dearest * BAND * GROUP_TOKENS < 2 ** 16, true, `${dearest}`);
  }
});

Deno.test("fit_bands.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("fit_bands.wat", FOLDER));
  const module = (await wabt()).parseWat("fit_bands.wat", source, { simd: true });
  assertEquals(module.toBinary({}).buffer, await Deno.readFile(new URL("fit_bands.wasm", FOLDER)));
});
