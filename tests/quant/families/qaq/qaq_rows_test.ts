/** Kernels that are written out for short groups, and those that take any, against cpu memory. */
import { assert, assertEquals } from "@std/assert";
import { quantize, type QuantizeOptions } from "../../../../quant/quantize.ts";
import type { GpuTensor } from "../../../../quant/tensor.ts";
import { Workbench } from "../../../../quant/gpu/workbench.ts";
import { gpuTest } from "../../backends.ts";
import { randomNumbers } from "../../kv_data.ts";

const HEADS = 2;
const TOKENS = 70;

/** Entries of which some tie at the ends, so that groups have other numbers of outliers. */
function entries(headDim: number): Float32Array<ArrayBuffer> {
  const random = randomNumbers(headDim);
  return Float32Array.from({ length: HEADS * TOKENS * headDim }, (_, i) => {
    const x = random() + random() + random() - 1.5;
    return Math.floor(i / headDim) % 3 === 0 ? Math.round(4 * x) / 4 : x;
  });
}

const GROUPS = [
  { headDim: 64, outliersRatio: 0.01, why: "an outlier at each end" },
  { headDim: 128, outliersRatio: 0.03, why: "several of them" },
  { headDim: 256, outliersRatio: 0, why: "none" },
  { headDim: 128, outliersRatio: 0.2, why: "more than are looked for in registers" },
  { headDim: 96, outliersRatio: 0.01, why: "not by sixty-fours" },
  { headDim: 6, outliersRatio: 0.1, why: "not by fours" },
];

for (const { headDim, outliersRatio, why } of GROUPS) {
  gpuTest(`qaq: groups of ${headDim}, outliers: ${why}, as in cpu memory`, async (device) => {
    const bench = Workbench.of(device);
    const shape = { heads: HEADS, capacity: TOKENS, headDim };
    const data = entries(headDim);
    const tensor: GpuTensor = { ...shape, buffer: bench.buffer("tensor", data) };
    for (const symmetric of [false, true]) {
      const options = {
        family: "qaq",
        kind: "value",
        bits: symmetric ? 3 : 4,
        outliersRatio,
        symmetric,
        quantizationLevel: "head",
        quantizationMethod: "uniform",
      } as const satisfies Partial<QuantizeOptions<GpuTensor>>;
      const expected = await quantize({ ...shape, data }, options);
      const found = await quantize(tensor, { ...options, device });
      const sizes = ({ packed }: Pick<typeof expected, "packed">) =>
        packed.map(({ role, words }) => [role, words.length]);
      assertEquals(sizes(found), sizes(expected));
      for (const { role, words } of expected.packed) {
        if (role === "codes" || role === "scale_mean") continue;
        assertEquals(found.packed.find((buffer) => buffer.role === role)!.words, words, role);
      }
      const { restored } = found;
      const read = await bench.read([{ buffer: restored.buffer, at: 0, words: data.length }]);
      const values = new Float32Array(read.buffer);
      // Sums of a device are in another order, and quotients may be rounded otherwise.
      const others = expected.restored.data.filter((x, i) => !(Math.abs(x - values[i]!) <= 1e-2));
      assert(others.length <= data.length / 500, `${others.length} of ${data.length} differ`);
      restored.buffer.destroy();
    }
    bench.free(tensor.buffer);
  });
}
