/** Codes of values that are found many at a time, against the same written out. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import { codeValues } from "../../../../quant/families/nova/value_codes.ts";
import { toHalfBits } from "../../../../quant/packing/half.ts";
import { kvData } from "../../kv_data.ts";

const FOLDER = new URL("../../../../quant/families/nova/", import.meta.url);

Deno.test("rows are clipped and coded between their extremes", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 20 }),
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 0, max: 79 }),
    // Coarse values lie on the halfway points, and many are alike; some rows are all 0, of either sign.
    fc.constantFrom(0, 0, 2, 1e-6),
    fc.nat({ max: 1e6 }),
    (count, fours, unclippedLess1, grain, seed) => {
      const channels = 4 * fours;
      const unclipped = 1 + unclippedLess1 % channels;
      const drawn = count === 0 ? new Float32Array(0) : kvData(count, channels, "normal", seed);
      const rows = drawn.map((x) =>
        grain === 0 ? x : grain < 1 ? (x > 0 ? 0 : -0) : Math.round(grain * x) / grain
      );
      const [codeStep, numberStep] = [fours + 3, 5];
      const codes = new Uint8Array(count * codeStep).fill(9);
      const numbers = new Uint16Array(count * numberStep).fill(7);
      codeValues(rows, count, channels, unclipped, codes, codeStep, numbers, numberStep);

      for (let t = 0; t < count; t++) {
        const row = rows.subarray(t * channels, (t + 1) * channels);
        const sizes = row.map(Math.abs).sort();
        const most = sizes[channels - unclipped]!;
        const clipped = row.map((x) => Math.min(Math.max(x, -most), most));
        const [low, high] = [Math.min(...clipped), Math.max(...clipped)];
        const scale = Math.fround(Math.max(Math.fround(high - low), Math.fround(1e-8)) / 3);
        const zero = Math.fround(-low / scale);
        const bytes = Array.from({ length: fours }, (_, i) =>
          [0, 1, 2, 3].reduce((byte, k) => {
            const place = Math.fround(Math.fround(clipped[4 * i + k]! / scale) + zero);
            return byte | Math.min(Math.max(Math.floor(place + 0.5), 0), 3) << 2 * k;
          }, 0));
        assertEquals([...codes.subarray(t * codeStep, (t + 1) * codeStep)], [...bytes, 9, 9, 9]);
        assertEquals(
          [...numbers.subarray(t * numberStep, (t + 1) * numberStep)],
          [toHalfBits(scale), toHalfBits(zero), 7, 7, 7],
        );
      }
    },
  ));
});

Deno.test("value_codes.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("value_codes.wat", FOLDER));
  const module = (await wabt()).parseWat("value_codes.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("value_codes.wasm", FOLDER)),
  );
});
