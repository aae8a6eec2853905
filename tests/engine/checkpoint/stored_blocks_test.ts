/** Reading in blocks gives what reading at once gives. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { StoredTensor } from "../../../engine/checkpoint/checkpoint.ts";
import { storedTensor } from "../../../engine/checkpoint/gguf/stored_tensor.ts";
import { readValues, storedBlocks, valueBlocks } from "../../../engine/checkpoint/stored_blocks.ts";
import { memoryFile } from "./gguf/memory_file.ts";

const BYTES = Uint8Array.from({ length: 4096 }, (_, i) => (i * 37) % 120);

Deno.test("blocks hold all bytes in their order, and none is cut within a unit", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(64),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(50),
      fc.integer({ min: 1, max: 300 }),
      async (at, unit, units, block) => {
        const read: number[] = [];
        for await (const part of storedBlocks(memoryFile(BYTES), at, unit * units, unit, block)) {
          assertEquals(part.length % unit, 0);
          assert(part.length <= Math.max(unit, block));
          read.push(...part);
        }
        assertEquals(read, [...BYTES.subarray(at, at + unit * units)]);
      },
    ),
  );
});

// Four heads of four rows, and of another tensor the same without heads.
for (const heads of [undefined, 4]) {
  Deno.test(`a tensor ${heads ? "of heads " : ""}is the same in any blocks`, async () => {
    const tensor = { name: "t", type: "F32", shape: [16, 8], at: 64, bytes: 512 } as const;
    const whole = storedTensor(memoryFile(BYTES), tensor, heads);
    const inBlocks = (block: number): StoredTensor => ({
      ...whole,
      blocks: () => storedBlocks(memoryFile(BYTES), 64, 512, 128, block),
    });
    const expected = await readValues(whole);
    for (const block of [1, 128, 300, 512]) {
      assertEquals(await readValues(inBlocks(block)), expected);
      const values: number[] = [];
      for await (const part of valueBlocks(inBlocks(block))) values.push(...part);
      assertEquals(values, [...expected]);
    }
  });
}
