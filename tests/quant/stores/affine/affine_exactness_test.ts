/**
 * The CPU loops count in fixed point and compare integers; they must still give, bit for bit, the
 * codes, scales and zeros of the scalar float32 arithmetic in `affine_group.ts`.
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { codeOf, scaleOf, valueOf, zeroOf } from "../../../../quant/stores/affine/affine_group.ts";
import { AffineStoreCpu } from "../../../../quant/stores/affine/affine_store_cpu.ts";
import type { CpuTensor } from "../../../../quant/tensor.ts";
import { affineContents } from "./affine_contents.ts";
import { AFFINE_FAMILIES, affineScene, groupsOf, sceneData } from "./affine_scenes.ts";
import { sourceOf } from "../../golden_cases.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

for (const family of Object.values(AFFINE_FAMILIES)) {
  Deno.test(`${family.name}: the loops compute exactly what the scalar arithmetic does`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          { weight: 5, arbitrary: affineScene(family) },
          { weight: 1, arbitrary: affineScene(family, { look: "level" }) },
          { weight: 1, arbitrary: affineScene(family, { look: "subnormal" }) },
        ),
        fc.constantFrom("f32" as const, "f32" as const, "f16" as const),
        async (scene, arithmetic) => {
          const { heads, headDim, capacity, tokens } = scene;
          // Unrounded parameters, so that every bit can be compared.
          const settings = { ...scene.settings, paramDtype: "f32" as const, arithmetic };
          const data = sceneData(scene);
          const tensor: CpuTensor = { data, heads, capacity, headDim };
          const source = sourceOf(tensor, settings.kind, tokens);
          const store = new AffineStoreCpu(source, settings, tokens);
          store.grow(tokens);
          const restored = { ...tensor, data: data.slice() };
          store.restore(restored);

          const expectedCodes = new Map<number, number>();
          const expected = data.slice();
          for (const { head, indices } of groupsOf({ ...scene, settings })) {
            const entries = indices.map((i) => data[i]!);
            const topCode = settings.topCodes[head]!;
            const zero = zeroOf(Math.min(...entries), settings);
            const scale = scaleOf(zero, Math.max(...entries), topCode, settings);
            indices.forEach((index, i) => {
              const code = codeOf(entries[i]!, scale, zero, topCode, arithmetic);
              expectedCodes.set(index, code);
              expected[index] = valueOf(code, scale, zero, arithmetic);
            });
          }
          const { codes } = await affineContents(store, settings, headDim);
          const { from, to } = store.quantized;
          const count = to - from;
          codes.forEach((code, i) => {
            const channel = i % headDim;
            const token = Math.floor(i / headDim) % count;
            const head = Math.floor(i / headDim / count);
            const index = (head * capacity + from + token) * headDim + channel;
            assertEquals(code, expectedCodes.get(index), `code of entry ${index}`);
          });
          assertEquals(restored.data, expected);
        },
      ),
      { numRuns: 100 },
    );
  });
}

Deno.test("codes at exact ties go to the even neighbour, near ties as float32 division rounds", () => {
  const family = AFFINE_FAMILIES["uniform"]!;
  // Ends 0 and 3 give scale 1 at 2 bits, so halves are exact ties.
  const data = new Float32Array(64).fill(0);
  data.set([0, 3, 0.5, 1.5, 2.5, 0.49999997, 0.50000006, 1.4999999, 1.5000001, 2.4999998]);
  const settings = settingsFor(
    family,
    {
      layer: 0,
      kind: "key",
      bits: [2],
      axis: "token",
      residualLength: 0,
      calibrationMode: "none",
    },
    { heads: 1, headDim: 64 },
  );
  const tensor: CpuTensor = { data, heads: 1, capacity: 1, headDim: 64 };
  const store = family.openCpu(sourceOf(tensor, "key", 1), settings, 1);
  store.grow(1);
  const target: CpuTensor = { ...tensor, data: new Float32Array(64) };
  store.restore(target);
  assertEquals(Array.from(target.data.subarray(0, 10)), [0, 3, 0, 2, 2, 0, 1, 1, 2, 2]);
});
