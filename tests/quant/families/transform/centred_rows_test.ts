/** Channels less their mean and times their scale, against the same written out. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import { centreRows } from "../../../../quant/families/transform/centred_rows.ts";
import { kvData } from "../../kv_data.ts";

const FOLDER = new URL("../../../../quant/families/transform/", import.meta.url);

const drawn = fc.record({
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: fc.integer({ min: 1, max: 11 }),
  count: fc.integer({ min: 1, max: 20 }),
  token: fc.integer({ min: 0, max: 4 }),
  padding: fc.integer({ min: 0, max: 3 }),
  seed: fc.nat({ max: 1e6 }),
});

function caseOf(
  { heads, headDim, count, token, padding, seed }: typeof drawn extends fc.Arbitrary<infer T> ? T
    : never,
) {
  const capacity = token + count + 2;
  const data = kvData((heads + 1) * capacity, headDim, "normal", seed) as Float32Array<ArrayBuffer>;
  const [mean, scales] = [1, 2].map((i) => kvData(heads, headDim, "normal", seed + i));
  const width = heads * headDim + padding;
  const rows = new Float32Array(count * width).fill(NaN);
  return { tensor: { heads: heads + 1, capacity, headDim, data }, mean, scales, width, rows };
}

Deno.test("rows are centred and scaled head by head, with nothing behind them", () => {
  fc.assert(fc.property(drawn, (draw) => {
    const { heads, headDim, count, token } = draw;
    const { tensor, mean, scales, width, rows } = caseOf(draw);
    // All heads but the first.
    assert(centreRows(tensor, 1, token, mean!, scales!, rows, width));
    const expected = new Float32Array(rows.length);
    for (let t = 0; t < count; t++) {
      for (let c = 0; c < heads * headDim; c++) {
        const head = 1 + Math.floor(c / headDim);
        const at = (head * tensor.capacity + token + t) * headDim + c % headDim;
        expected[t * width + c] = Math.fround(tensor.data[at]! - mean![c]!) * scales![c]!;
      }
    }
    assertEquals(rows, expected);
  }));
});

Deno.test("a value that is not finite is told wherever it is", () => {
  fc.assert(fc.property(
    drawn,
    fc.nat({ max: 1e6 }),
    fc.constantFrom(NaN, Infinity, -Infinity),
    (draw, place, value) => {
      const { heads, headDim, count, token } = draw;
      const { tensor, mean, scales, width, rows } = caseOf(draw);
      const c = place % (heads * headDim);
      const t = Math.floor(place / 40) % count;
      const head = 1 + Math.floor(c / headDim);
      tensor.data[(head * tensor.capacity + token + t) * headDim + c % headDim] = value;
      assert(!centreRows(tensor, 1, token, mean!, scales!, rows, width));
    },
  ));
});

Deno.test("centred_rows.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("centred_rows.wat", FOLDER));
  const module = (await wabt()).parseWat("centred_rows.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("centred_rows.wasm", FOLDER)),
  );
});
