import { assertEquals } from "@std/assert";
import { Kernels } from "../../../quant/gpu/kernels.ts";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import { orderStatistics } from "../../../quant/numerics/order_statistics.ts";
import { gpuTest } from "../backends.ts";
import { randomNumbers } from "../kv_data.ts";

const FINDER = `
  struct Job { count: u32, ranks: vec4u }
  @group(0) @binding(2) var<storage, read> numbers: array<f32>;
  @group(0) @binding(3) var<storage, read_write> found: array<f32>;
  fn element(index: u32) -> f32 { return numbers[index]; }
  @compute @workgroup_size(workgroup_threads)
  fn find(@builtin(local_invocation_index) lane: u32) {
    keep_elements(job.count, lane);
    let values = order_statistics(job.count, job.ranks, lane);
    if (lane == 0u) {
      for (var i = 0u; i < 4u; i++) { found[i] = values[i]; }
      found[4] = kept_element(job.count, job.count - 1u);
    }
  }`;

const random = randomNumbers(3);
const LOOKS: Readonly<Record<string, (i: number) => number>> = {
  scattered: () => Math.fround(random() - 0.5),
  "all equal": () => -2.5,
  "of few values": (i) => (i % 3) - 1,
  ascending: (i) => i,
};

// Few enough that all ranks are counted, more, the most that are kept, and too many to keep.
for (const count of [1, 200, 257, 2048, 2600]) {
  gpuTest(`the values of four ranks among ${count} are those of a sorted list`, async (device) => {
    const bench = Workbench.of(device);
    const kernels = Kernels.of(device, "finder", [orderStatistics(count), FINDER]);
    const last = count - 1;
    const near = Math.min(5, last);
    const far = Math.min(100, last);
    const middle = last >> 1;
    for (const draw of Object.values(LOOKS)) {
      const numbers = Float32Array.from({ length: count }, (_, i) => draw(i));
      const sorted = numbers.toSorted();
      const held = bench.buffer("numbers", numbers);
      const found = bench.buffer("found", 5);
      for (
        const ranks of [
          [0, 0, last, last],
          [near, Math.min(near + 1, last), Math.max(last - near - 1, 0), last - near],
          // Further from the ends than invocations are many.
          [far, far, last - far, last - far],
          [middle, Math.min(middle + 1, last), middle, Math.min(middle + 1, last)],
        ]
      ) {
        kernels.run("find", { workgroups: 1 }, { job: { count, ranks }, numbers: held, found });
        const words = await bench.read([{ buffer: found, at: 0, words: 5 }]);
        assertEquals(
          [...new Float32Array(words.buffer)],
          [...ranks.map((rank) => sorted[rank]!), numbers[last]!],
        );
      }
      bench.free(held, found);
    }
  });
}
