/** When mlx-lm's cache is quantized, and the edge that a group hits exactly. */
import { assertEquals } from "@std/assert";
import { mlx } from "../../../../quant/families/mlx/mlx.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { testOnBackends } from "../../backends.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { oneRow } from "../../stores/row/one_row.ts";

Deno.test("the whole cache is quantized once it is long enough", () => {
  const rangeAt = (start: number | undefined, n: number) => {
    const options = start === undefined ? {} : { start };
    const settings = settingsFor(mlx, answers("key", { options }), { heads: 2, headDim: 64 });
    return mlx.quantizedRange(settings, n);
  };
  assertEquals(rangeAt(undefined, 1), { from: 0, to: 1 });
  assertEquals(rangeAt(100, 99), { from: 0, to: 0 });
  assertEquals(rangeAt(100, 100), { from: 0, to: 100 });
});

testOnBackends("the end of larger magnitude is hit exactly, and zero with it", async (backend) => {
  const row = new Array<number>(32).fill(0);
  [row[0], row[1], row[2]] = [-3, 1.4, -1.6];
  const ask = { bits: [2], groupSize: 32 };
  const { codes, parameters, restored } = await oneRow(backend, mlx, ask, row);
  // A step of 4.4 / 3 goes 2.05 times into 3: two steps, so that the scale becomes 1.5.
  assertEquals([...new Float16Array(parameters.buffer)], [1.5, -3]);
  assertEquals(restored.slice(0, 4), [-3, 1.5, -1.5, 0]);
  assertEquals(codes[0], 0b10_01_11_00);
});
