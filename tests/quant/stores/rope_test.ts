/** Keys turned by their positions, and back. */
import { assert, assertEquals } from "@std/assert";
import { plainRotary, rotaryTables } from "../../../engine/rotary.ts";
import { rotateOnCpu, rotateOnGpu, turnBack } from "../../../quant/stores/rope/rope_restore.ts";
import type { CpuTensor, GpuTensor } from "../../../quant/tensor.ts";
import { device, testOnBackends } from "../backends.ts";
import { kvData } from "../kv_data.ts";

const HEADS = 2, TOKENS = 300, HEAD_DIM = 64;
const size = { heads: HEADS, capacity: TOKENS, headDim: HEAD_DIM };
const table = { heads: 1, capacity: TOKENS, headDim: HEAD_DIM / 2 };

for (const [name, scale] of [["plain", 1], ["with YaRN's scale", 1.2]] as const) {
  testOnBackends(`keys turned forth and back are where they were, ${name}`, async (backend) => {
    const { cos, sin } = rotaryTables(TOKENS, { ...plainRotary(HEAD_DIM, 1e6), scale });
    const rope = { cos: backend.upload(cos, table), sin: backend.upload(sin, table) };
    const before = kvData(HEADS * TOKENS, HEAD_DIM, "outlier channels", 3);
    const keys = backend.upload(before.slice(), size);
    const range = { from: 7, to: TOKENS };
    const gpu = backend.name === "gpu" ? device : undefined;
    if (gpu === undefined) {
      rotateOnCpu(keys as CpuTensor, range, rope as { cos: CpuTensor; sin: CpuTensor });
    } else {
      rotateOnGpu(gpu, keys as GpuTensor, range, rope as { cos: GpuTensor; sin: GpuTensor });
    }
    const turned = (await backend.read(keys)).slice();
    turnBack(gpu, keys, range, rope);
    const after = await backend.read(keys);
    let moved = 0;
    for (let i = 0; i < before.length; i++) {
      const token = Math.floor(i / HEAD_DIM) % TOKENS;
      if (token < range.from) assertEquals([turned[i], after[i]], [before[i], before[i]]);
      else if (Math.abs(turned[i]! - before[i]!) > 0.1) moved++;
      // The larger of the pair decides what is rounded.
      const other = before[i % HEAD_DIM < HEAD_DIM / 2 ? i + HEAD_DIM / 2 : i - HEAD_DIM / 2]!;
      const large = Math.max(Math.abs(before[i]!), Math.abs(other));
      assert(Math.abs(after[i]! - before[i]!) <= 1e-6 * large, `${before[i]} became ${after[i]}`);
    }
    assert(moved > before.length / 4, "hardly a key was turned");
  });
}
