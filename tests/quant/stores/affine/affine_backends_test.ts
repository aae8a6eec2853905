/** The WGSL kernels against the CPU reference, on the same input. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AffineStoreCpu } from "../../../../quant/stores/affine/affine_store_cpu.ts";
import { affineContents } from "./affine_contents.ts";
import { AFFINE_FAMILIES, affineScene, sceneData } from "./affine_scenes.ts";
import { device, onGpu } from "../../backends.ts";
import { sourceOf } from "../../golden_cases.ts";

for (const family of Object.values(AFFINE_FAMILIES)) {
  Deno.test({
    name: `${family.name}: the kernels agree with the reference up to rounding ties`,
    ignore: device === undefined,
    fn: () =>
      onGpu(async (backend) => {
        await fc.assert(
          fc.asyncProperty(affineScene(family), async (scene) => {
            const { settings, heads, headDim, capacity, tokens } = scene;
            const data = sceneData(scene);
            const shape = { heads, capacity, headDim };
            const reference = new AffineStoreCpu(
              sourceOf({ ...shape, data }, settings.kind, tokens),
              settings,
              tokens,
            );
            const tensor = backend.upload(data, shape);
            const source = sourceOf(tensor, settings.kind, tokens);
            const store = backend.open(family, source, settings, tokens);
            reference.grow(tokens);
            store.grow(tokens);
            assertEquals(store.quantized, reference.quantized);
            assertEquals(store.buffers(tokens), reference.buffers(tokens));

            const expected = await affineContents(reference, settings, headDim);
            const got = await affineContents(store, settings, headDim);
            // The kernels correct the device's division, but not to the last one in a million: then
            // a scale is stored as the next number of its type, or a code on a tie falls elsewhere.
            const ulp = settings.paramDtype === "fp8" ? 2 ** -3 : 2 ** -10;
            got.scale.forEach((scale, i) => {
              const off = Math.abs(scale - expected.scale[i]!);
              assert(off <= ulp * Math.abs(expected.scale[i]!) + 2 ** -24, `scale ${i}`);
            });
            // The zero point is the smallest entry; clipped, it is a product, which is exact
            // but for one rounding.
            got.zero.forEach((zero, i) => {
              const off = Math.abs(zero - expected.zero[i]!);
              const room = settings.clipRatio === 1 ? 0 : ulp * Math.abs(expected.zero[i]!);
              assert(off <= room, `zero ${i}: ${zero}, not ${expected.zero[i]}`);
            });
            let ties = 0;
            got.codes.forEach((code, i) => {
              if (code === expected.codes[i]) return;
              assertEquals(Math.abs(code - expected.codes[i]!), 1);
              ties++;
            });
            assert(ties <= 2 + 0.001 * got.codes.length, `${ties} of ${got.codes.length} codes`);
          }),
          { numRuns: 25 },
        );
      }),
  });
}
