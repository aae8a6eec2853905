/** Many steps of a replay in one pass on a GPU: in parts they see what they see together. */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { MASKED, type ModelShape } from "../../../engine/engine.ts";
import { partedRows } from "../../../engine/devices/parted_rows.ts";
import { testOnEngines } from "./engines.ts";
import { openCpuEngine } from "../../../engine/devices/cpu.ts";

const folder = fileURLToPath(new URL("../../golden/model/wide-heads-f16", import.meta.url));

/** Bytes of a tensor that every device takes. */
const LARGEST = 2 ** 27;

/** A mask by which every step sees some of the past and itself. */
function apart(layers: number, fed: number, capacity: number): Float32Array<ArrayBuffer> {
  const columns = capacity + fed;
  const mask = new Float32Array(layers * fed * columns).fill(MASKED);
  for (let row = 0; row < layers * fed; row++) {
    for (let entry = 0; entry < capacity; entry++) {
      if ((entry * 7 + row) % 3 !== 0) mask[row * columns + entry] = 0;
    }
    mask[row * columns + capacity + row % fed] = 0;
  }
  return mask;
}

for (const [fed, parts, rows] of [[31, 1, 31], [32, 32, 1], [47, 47, 1]] as const) {
  testOnEngines(
    `a pass of ${fed} steps predicts what the processor does`,
    folder,
    async (engine, model) => {
      const { shape, backend } = engine;
      const { layers, kvHeads: heads, headDim, vocab } = shape;
      const capacity = 21;
      const size = { heads, capacity, headDim };
      const host = await openCpuEngine(model);
      for (const maskLayers of [1, layers]) {
        const input = {
          ids: Array.from({ length: fed }, (_, i) => (i * 31 + 4) % vocab),
          positions: Array.from({ length: fed }, (_, i) => capacity + i),
          mask: apart(maskLayers, fed, capacity),
          maskLayers,
          logits: fed - 2,
        };
        const values = (l: number) =>
          Float32Array.from(
            { length: heads * capacity * headDim },
            (_, i) => Math.sin(i * (l + 2)),
          );
        const pastOn = <T>(upload: (data: Float32Array<ArrayBuffer>) => T) =>
          Array.from({ length: layers }, (_, l) => ({
            key: upload(values(2 * l)),
            value: upload(values(2 * l + 1)),
          }));
        const past = pastOn((data) => backend.upload(data, size));
        const parted = partedRows({ ...input, past }, shape, LARGEST);
        assertEquals([parted.parts, parted.rows], [parts, rows]);
        const { logits } = await engine.forward({ ...input, past });
        const wanted = await host.forward({
          ...input,
          past: pastOn((data) => host.backend.upload(data, size)),
        });
        assertEquals(logits.length, wanted.logits.length);
        assert(logits.every((x, i) => Math.abs(x - wanted.logits[i]!) < 1e-4));
        for (const { key, value } of past) {
          backend.free(key);
          backend.free(value);
        }
      }
      await host.close();
    },
  );
}

Deno.test("tokens that see each other, or whose tensors are asked for, stay together", () => {
  const shape = { layers: 1, kvHeads: 1, headDim: 2 } as ModelShape;
  const tensor = { heads: 1, capacity: 3, headDim: 2 };
  const input = {
    ids: new Array(40).fill(1),
    positions: new Array(40).fill(3),
    past: [{ key: tensor, value: tensor }],
    mask: apart(1, 40, 3),
    maskLayers: 1,
    logits: 1,
  };
  assertEquals(partedRows(input, shape, LARGEST).parts, 40);
  assertEquals(partedRows({ ...input, outputs: "kv" }, shape, LARGEST).parts, 1);
  const causal = input.mask.slice();
  causal[43 + 3] = 0;
  assertEquals(partedRows({ ...input, mask: causal }, shape, LARGEST).parts, 1);
  // Forty copies of four entries of two channels are one tensor.
  assertEquals(partedRows(input, shape, 40 * 4 * 2 * 4).parts, 40);
  assertEquals(partedRows(input, shape, 40 * 4 * 2 * 4 - 1).parts, 1);
  // No device is to have memory for any number of copies.
  assertEquals(partedRows(input, { ...shape, layers: 2 ** 22 }, LARGEST).parts, 1);
});
