/** The search for zero points on a device, against cpu memory: it ends where it does there. */
import { assert } from "@std/assert";
import { quantize, type QuantizeOptions } from "../../../../quant/quantize.ts";
import type { GpuTensor } from "../../../../quant/tensor.ts";
import { Workbench } from "../../../../quant/gpu/workbench.ts";
import { gpuTest } from "../../backends.ts";
import { randomNumbers } from "../../kv_data.ts";

const SHAPE = { heads: 2, capacity: 24, headDim: 64 };

/** Numbers of which the search takes so many rounds. */
const SEARCHES = [
  { rounds: 6, seed: 5, bits: 4, groupSize: 16 },
  { rounds: 10, seed: 66, bits: 2, groupSize: 16 },
  { rounds: 20, seed: 1, bits: 2, groupSize: 64 },
];

for (const { rounds, seed, bits, groupSize } of SEARCHES) {
  gpuTest(`hf_hqq: a search of ${rounds} rounds, as in cpu memory`, async (device) => {
    const bench = Workbench.of(device);
    const random = randomNumbers(seed);
    const data = Float32Array.from(
      { length: SHAPE.heads * SHAPE.capacity * SHAPE.headDim },
      () => random() + random() + random() - 1.5,
    );
    const tensor: GpuTensor = { ...SHAPE, buffer: bench.buffer("tensor", data) };
    const options = { family: "hf_hqq", kind: "value", bits, groupSize } as const satisfies Partial<
      QuantizeOptions<GpuTensor>
    >;
    const expected = await quantize({ ...SHAPE, data }, options);
    const found = await quantize(tensor, { ...options, device });
    const { buffer } = found.restored;
    const read = await bench.read([{ buffer, at: 0, words: data.length }]);
    const values = new Float32Array(read.buffer);
    const others = expected.restored.data.filter((x, i) => !(Math.abs(x - values[i]!) <= 1e-4));
    // A zero point between two halves may be rounded to either.
    assert(others.length <= data.length / 100, `${others.length} of ${data.length} differ`);
    buffer.destroy();
    bench.free(tensor.buffer);
  });
}
