/** Properties of the families that store rows, each on every backend. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { testBothBackends, testOnBackends } from "../../backends.ts";
import { runs, testCacheProperties } from "../../cache_properties.ts";
import { layerData, OpenCache, rootMeanSquare } from "../../cache_scenes.ts";
import { ROW_FAMILIES, rowScenes } from "./row_scenes.ts";

for (const [name, rows] of Object.entries(ROW_FAMILIES)) {
  testCacheProperties(name, rowScenes(rows));

  testBothBackends(`${name}: both backends store and restore the same`, async (backends) => {
    await fc.assert(
      fc.asyncProperty(rowScenes(rows), async (scene) => {
        const [cpu, gpu] = await Promise.all(backends.map(async (backend) => {
          const cache = await new OpenCache(backend, scene).grow([scene.tokens]);
          return { contents: await cache.contents(), restored: await cache.restore() };
        }));
        assertEquals(gpu, cpu);
      }),
      { numRuns: 40 },
    );
  });

  for (const which of rows.cases) {
    const title = `${name} ${which.bits} bits ${JSON.stringify(which.ask)}`;
    const alone = { ...rows, cases: [which] };
    testOnBackends(`${title}: stored bits, and the error of normal numbers`, async (backend) => {
      const scenes = rowScenes(alone, { look: "normal", headDim: 64, tokens: 32, residual: 0 });
      await fc.assert(
        fc.asyncProperty(scenes, async (scene) => {
          const data = layerData(scene);
          const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
          const entries = scene.heads * scene.tokens * scene.headDim;
          assertAlmostEquals(8 * cache.bytes(scene.tokens) / entries, which.stored, 1e-9);
          const error = rootMeanSquare(scene, await cache.restore(), data);
          assert(error <= which.error, `${error}`);
          assert(error >= which.error / 4, `a bound far above ${error} bounds nothing`);
        }),
        runs(backend, 12),
      );
    });
  }
}
