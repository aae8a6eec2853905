/** Passes of few sizes: nothing that is added is seen by what was there. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { paddedRows, roomFor } from "../../../engine/devices/padded_rows.ts";
import { type ForwardInput, MASKED } from "../../../engine/engine.ts";
import type { KvShape } from "../../../quant/tensor.ts";

Deno.test("a past has room for all of its entries, an eighth more at most, in few sizes", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1 << 20 }), (entries) => {
    const room = roomFor(entries);
    assert(Number.isInteger(room) && room >= entries && room <= Math.ceil(entries * 9 / 8));
    assertEquals(roomFor(room), room);
  }));
  assert(new Set(Array.from({ length: 4096 }, (_, i) => roomFor(i + 1))).size < 100);
});

const size = fc.record({
  rows: fc.integer({ min: 1, max: 20 }),
  capacity: fc.integer({ min: 1, max: 9 }),
  maskLayers: fc.integer({ min: 1, max: 2 }),
  seed: fc.infiniteStream(fc.boolean()),
});

Deno.test("rows that are added see themselves alone, and the others see what they saw", () => {
  fc.assert(fc.property(size, ({ rows, capacity, maskLayers, seed }) => {
    const columns = capacity + rows;
    const mask = Float32Array.from(
      { length: maskLayers * rows * columns },
      () => seed.next().value ? 0 : MASKED,
    );
    const tensor = { heads: 1, capacity, headDim: 2 };
    const input: ForwardInput<KvShape> = {
      ids: Array.from({ length: rows }, (_, i) => i + 1),
      positions: Array.from({ length: rows }, (_, i) => i + 50),
      past: [{ key: tensor, value: tensor }],
      mask,
      maskLayers,
      logits: rows,
    };
    const padded = paddedRows(input);
    const more = padded.ids.length - rows;
    assertEquals(padded.ids.length, rows === 1 ? 1 : 8 * Math.ceil(rows / 8));
    assertEquals(padded.ids.slice(more), input.ids);
    assertEquals(padded.positions.slice(more), input.positions);
    assertEquals(padded.logits, padded.ids.length);
    const all = capacity + rows + more;
    for (let l = 0; l < maskLayers; l++) {
      for (let row = 0; row < rows + more; row++) {
        const seen = padded.mask.subarray((l * (rows + more) + row) * all).subarray(0, all);
        const added = [...seen.subarray(capacity, capacity + more)];
        if (row < more) {
          assertEquals([...seen].flatMap((value, i) => value === 0 ? [i] : []), [capacity + row]);
          continue;
        }
        assert(added.every((value) => value === MASKED));
        const own = mask.subarray((l * rows + row - more) * columns).subarray(0, columns);
        assertEquals([...seen.subarray(0, capacity), ...seen.subarray(capacity + more)], [...own]);
      }
    }
    assertStrictEquals(paddedRows({ ...input, outputs: "kv" }).ids, input.ids);
  }));
});
