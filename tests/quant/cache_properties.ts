/** Properties that every family's packed cache has, on every backend. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Settings } from "../../quant/family.ts";
import { QuantizerError } from "../../quant/quantizer_error.ts";
import { type TestBackend, testOnBackends } from "./backends.ts";
import {
  type CacheScene,
  layerData,
  OpenCache,
  rootMeanSquare,
  UNTOUCHED,
} from "./cache_scenes.ts";

/** Software GPUs compile and dispatch slowly. */
export function runs(backend: TestBackend, cpu: number): { numRuns: number } {
  return { numRuns: backend.name === "cpu" ? cpu : Math.ceil(cpu / 6) };
}

/**
 * Registers the properties for random scenes of one family.
 *
 * @param requantizes whether the family quantizes its store anew, so that growing is not the same as
 *   quantizing at once
 */
export function testCacheProperties<S extends Settings>(
  name: string,
  scenes: fc.Arbitrary<CacheScene<S>>,
  requantizes = false,
): void {
  testOnBackends(`${name}: the packed size is the declared size`, async (backend) => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const cache = await new OpenCache(backend, scene).grow([scene.tokens]);
        for (const [layer, contents] of (await cache.contents()).entries()) {
          assertEquals(
            contents.map(({ role, words }) => [role, words.byteLength]),
            cache.stores[layer]!.buffers(scene.tokens).map(({ role, bytes }) => [role, bytes]),
          );
        }
      }),
      runs(backend, 40),
    );
  });

  if (!requantizes) testGrowth(name, scenes);

  testOnBackends(`${name}: only quantized tokens are written`, async (backend) => {
    await fc.assert(
      fc.asyncProperty(scenes, fc.nat({ max: 5 }), async (scene, room) => {
        const { heads, headDim, capacity, tokens } = scene;
        const cache = await new OpenCache(backend, scene).grow([tokens]);
        for (const [layer, restored] of (await cache.restore(room)).entries()) {
          const { from, to } = scene.family.quantizedRange(scene.settings[layer]!, tokens);
          assertEquals(cache.stores[layer]!.quantized, { from, to });
          for (let row = 0; row < heads * (capacity + room); row++) {
            const token = row % (capacity + room);
            const values = restored.subarray(row * headDim, (row + 1) * headDim);
            const quantized = token >= from && token < to;
            assertEquals(values.every((x) => x !== UNTOUCHED), quantized, `token ${token}`);
            assertEquals(values.some((x) => x !== UNTOUCHED), quantized, `token ${token}`);
          }
        }
      }),
      runs(backend, 20),
    );
  });

  testOnBackends(
    `${name}: subnormal, huge and mixed-size entries give finite values`,
    async (backend) => {
      const special = [2 ** -149, -(2 ** -130), 1e-40, 3e38, -3e38, 65504, -70000, 0, -0];
      await fc.assert(
        fc.asyncProperty(scenes, async (scene) => {
          const data = layerData(scene).map((entries) =>
            entries.map((x, i) => i % 5 === 0 ? special[i % 9]! : x)
          );
          const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
          for (const restored of await cache.restore()) assert(restored.every(Number.isFinite));
        }),
        runs(backend, 20),
      );
    },
  );

  testOnBackends(
    `${name}: an entry that is not finite is an error that says where`,
    async (backend) => {
      await fc.assert(
        fc.asyncProperty(
          scenes,
          fc.constantFrom(NaN, Infinity, -Infinity),
          fc.nat(),
          fc.nat(),
          async (scene, value, where, channel) => {
            const { heads, headDim, capacity, tokens, kind } = scene;
            const layer = where % scene.settings.length;
            const { from, to } = scene.family.quantizedRange(scene.settings[layer]!, tokens);
            fc.pre(to > from);
            const token = from + where % (to - from);
            const head = where % heads;
            const data = layerData(scene);
            data[layer]![(head * capacity + token) * headDim + channel % headDim] = value;
            const error = await assertRejects(
              async () => await new OpenCache(backend, scene, data).grow([tokens]),
              QuantizerError,
              `head ${head}, token ${token};`,
            );
            assert(error.message.startsWith(`Layer ${layer} ${kind}s hold `), error.message);
          },
        ),
        runs(backend, 30),
      );
    },
  );

  testOnBackends(`${name}: entries that stay exact need not be finite`, async (backend) => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { heads, headDim, capacity, tokens } = scene;
        fc.pre(scene.queryGroup === undefined);
        const data = layerData(scene);
        for (const [layer, entries] of data.entries()) {
          const { from, to } = scene.family.quantizedRange(scene.settings[layer]!, tokens);
          for (let row = 0; row < heads * capacity; row++) {
            const token = row % capacity;
            if (token >= from && token < to) continue;
            entries.fill(NaN, row * headDim, (row + 1) * headDim);
          }
        }
        const cache = await new OpenCache(backend, scene, data).grow([tokens]);
        for (const restored of await cache.restore()) assert(restored.every(Number.isFinite));
      }),
      runs(backend, 15),
    );
  });
}

/**
 * Registers: random data is restored closer with every further bit.
 *
 * @param widths the family's, ascending
 */
export function testMoreBits<S extends Settings>(
  name: string,
  scenes: fc.Arbitrary<{ readonly scene: CacheScene<S>; withBits(bits: number): CacheScene<S> }>,
  widths: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8],
): void {
  testOnBackends(`${name}: each further bit lowers the error of random data`, async (backend) => {
    await fc.assert(
      fc.asyncProperty(scenes, async ({ scene, withBits }) => {
        const data = layerData(scene);
        let before = Infinity;
        for (const bits of widths) {
          const wider = withBits(bits);
          const cache = await new OpenCache(backend, wider, data).grow([scene.tokens]);
          const error = rootMeanSquare(wider, await cache.restore(), data);
          assert(error < before, `${bits} bits: ${error} after ${before}`);
          before = error;
        }
      }),
      runs(backend, 8),
    );
  });
}

function testGrowth<S extends Settings>(name: string, scenes: fc.Arbitrary<CacheScene<S>>): void {
  testOnBackends(`${name}: growing step by step equals quantizing at once`, async (backend) => {
    await fc.assert(
      fc.asyncProperty(
        scenes,
        fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 8 }),
        fc.boolean(),
        async (scene, stops, settled) => {
          const n = scene.tokens;
          const lengths = [...stops.filter((stop) => stop < n).sort((a, b) => a - b), n];
          const once = await new OpenCache(backend, scene).grow([n]);
          const often = await new OpenCache(backend, scene).grow(lengths, settled);
          assertEquals(await often.restore(4), await once.restore(4));
          assertEquals(await often.contents(), await once.contents());
          for (const stop of lengths) {
            const alone = await new OpenCache(backend, scene).grow([stop]);
            assertEquals(often.bytes(stop), alone.bytes(stop), `bytes at ${stop}`);
          }
        },
      ),
      runs(backend, 30),
    );
  });
}
