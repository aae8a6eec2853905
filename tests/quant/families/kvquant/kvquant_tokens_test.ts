/** Kernels that are written out for a number of channels, and those that take any, against cpu memory. */
import { assert, assertEquals } from "@std/assert";
import { quantize, type QuantizeOptions } from "../../../../quant/quantize.ts";
import type { GpuTensor } from "../../../../quant/tensor.ts";
import { Workbench } from "../../../../quant/gpu/workbench.ts";
import { gpuTest } from "../../backends.ts";
import { randomNumbers } from "../../kv_data.ts";

const TOKENS = 40;

/** Entries some of which are equal; tokens that are all one number, and all but one. */
function entries(heads: number, headDim: number): Float32Array<ArrayBuffer> {
  const random = randomNumbers(heads * headDim);
  const data = Float32Array.from({ length: heads * TOKENS * headDim }, (_, i) => {
    const x = random() + random() + random() - 1.5;
    return i % 3 === 0 ? Math.round(8 * x) / 8 : x;
  });
  for (let head = 0; head < heads; head++) {
    const first = head * TOKENS * headDim;
    data.fill(0.75, first, first + 2 * headDim);
    if (head === 0) data[first + headDim + 1] = -1;
  }
  return data;
}

const SHAPES = [
  { heads: 2, headDim: 64, why: "half of a workgroup" },
  { heads: 5, headDim: 64, why: "a part of a second round" },
  { heads: 8, headDim: 128, why: "whole rounds" },
  { heads: 3, headDim: 6, why: "channels that are not fours" },
  { heads: 9, headDim: 256, why: "more than registers take" },
];

for (const { heads, headDim, why } of SHAPES) {
  gpuTest(`kvquant: ${heads * headDim} channels, ${why}, as in cpu memory`, async (device) => {
    const bench = Workbench.of(device);
    const shape = { heads, capacity: TOKENS, headDim };
    const data = entries(heads, headDim);
    const tensor: GpuTensor = { ...shape, buffer: bench.buffer("tensor", data) };
    // Of a third, the farthest outlier is too far from the end for the kernel of whole tokens.
    for (const outliersRatio of heads * headDim === 1024 ? [0.01, 0.34] : [0.03]) {
      const options = {
        family: "kvquant",
        kind: "value",
        quantizationMethod: "normal",
        bits: Array.from({ length: heads }, (_, head) => 3 + head % 2),
        outliersRatio,
      } as const satisfies Partial<QuantizeOptions<GpuTensor>>;
      const expected = await quantize({ ...shape, data }, options);
      const found = await quantize(tensor, { ...options, device });
      const words = ({ packed }: Pick<typeof expected, "packed">, role: string) =>
        packed.find((buffer) => buffer.role === role)!.words;
      assertEquals(words(found, "row_pointers"), words(expected, "row_pointers"));
      assertEquals(words(found, "outliers"), words(expected, "outliers"));
      const { restored } = found;
      const read = await bench.read([{ buffer: restored.buffer, at: 0, words: data.length }]);
      const values = new Float32Array(read.buffer);
      // A quotient that a device rounds otherwise may fall beyond the boundary of a code.
      const others = expected.restored.data.filter((x, i) => Math.abs(x - values[i]!) > 1e-3);
      assert(others.length <= data.length / 1000, `${others.length} of ${data.length} differ`);
      restored.buffer.destroy();
    }
    bench.free(tensor.buffer);
  });
}
