/** Products gathered in float16: near exact ones whatever the size of the rows, and never beyond float16. */
import { assert } from "@std/assert";
import { PRODUCT_TILES, productPlan } from "../../../../engine/devices/gpu/decoder_plan.ts";
import {
  halfProductText,
  LARGEST_WEIGHT,
} from "../../../../engine/devices/gpu/half_product_text.ts";
import { Kernels } from "../../../../quant/gpu/kernels.ts";
import { Workbench } from "../../../../quant/gpu/workbench.ts";
import { randomSource } from "../../../../quant/numerics/random.ts";
import { gpuTest } from "../../../quant/backends.ts";

gpuTest("products in float16 are near the exact ones for rows of any size", async (device) => {
  if (!device.features.has("shader-f16")) return;
  // Neither is a multiple of its tile; of the inner axis only fours are whole.
  const [rows, columns, inner] = [150, 140, 2 * 388];
  const random = randomSource(5);
  const numbers = (count: number, most: (i: number) => number) =>
    Float16Array.from({ length: count }, (_, i) => (random.below(2 ** 20) / 2 ** 19 - 1) * most(i));
  // From the smallest rows that float16 holds well to the largest that it holds.
  const size = (row: number) => 2 ** (row % 30 - 14);
  const left = numbers(rows * inner, (i) => size(Math.floor(i / inner)));
  const matrix = numbers(columns * inner, (i) => i % 7 === 0 ? LARGEST_WEIGHT : 0.05);
  // The worst row for a sum: everything as large as can be.
  left.fill(65504, 0, inner);
  matrix.fill(LARGEST_WEIGHT, 0, inner);
  left.fill(0, inner, 2 * inner);
  const tops = Float32Array.from(
    { length: rows },
    (_, r) =>
      left.subarray(r * inner, (r + 1) * inner).reduce((a, b) => Math.max(a, Math.abs(b)), 0),
  );
  const bench = Workbench.of(device);
  const upload = (label: string, halves: Float16Array<ArrayBuffer>) =>
    bench.buffer(label, new Uint32Array(halves.buffer));
  const { tile, rowTiles, columnTiles, split, parts, outWidth } = productPlan(
    { rows: columns, columns: inner },
    rows,
    true,
  );
  assert(parts > 1 && PRODUCT_TILES[tile]!.halves);
  const product = bench.buffer("product", parts * rows * 4 * outWidth);
  const buffers = {
    rows_in: upload("left", left),
    matrix: upload("matrix", matrix),
    // The last row that is looked at starts behind one that is not.
    tops: bench.buffer("tops", Float32Array.of(0, ...tops)),
    product,
  };
  const tiles = rowTiles * columnTiles * parts;
  const kernels = Kernels.of(device, "half product", [halfProductText(PRODUCT_TILES[tile]!)]);
  kernels.run("multiply", { workgroups: tiles }, {
    ...buffers,
    job: {
      ...{ rows, columns, out_width: outWidth, first_row: 0, tops_at: 1, tiles },
      ...{ inner: inner / 4, split: split / 4, row_tiles: rowTiles, column_tiles: columnTiles },
    },
  });
  const words = parts * rows * columns;
  const found = new Float32Array((await bench.read([{ buffer: product, at: 0, words }])).buffer);
  for (let row = 0; row < rows; row++) {
    let [off, all] = [0, 0];
    for (let column = 0; column < columns; column++) {
      let [exact, is] = [0, 0];
      for (let k = 0; k < inner; k++) exact += left[row * inner + k]! * matrix[column * inner + k]!;
      for (let part = 0; part < parts; part++) is += found[(part * rows + row) * columns + column]!;
      off += (is - exact) ** 2;
      all += exact ** 2;
    }
    const error = Math.sqrt(off / all);
    if (row === 1) assert(off === 0, "a row of zeros gives something else");
    else assert(error < 2e-3, `row ${row} of numbers up to ${tops[row]} is off by ${error}`);
  }
  bench.free(...Object.values(buffers));
});
