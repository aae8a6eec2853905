/** Streams of `transform` of every length and make, written by one in turn and by many at once. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { RATIOS, TABLES } from "../../../../quant/families/transform/component_alphabets.ts";
import { transform } from "../../../../quant/families/transform/transform.ts";
import {
  GROUP_TOKENS,
  LEAST_GROUP_BITS,
} from "../../../../quant/families/transform/transform_layout.ts";
import { packMatrix } from "../../../../quant/families/transform/transform_matrix.ts";
import type {
  ComponentStep,
  TransformSettings,
} from "../../../../quant/families/transform/transform_settings.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { testBothBackends } from "../../backends.ts";
import { oneLayerScene } from "../../calibrated_scenes.ts";
import { OpenCache } from "../../cache_scenes.ts";
import { randomNumbers } from "../../kv_data.ts";
import { answers } from "../../stores/affine/affine_answers.ts";

/** What every component of a stream is like, the components in turn. */
type Make = readonly (ComponentStep | "longest")[];

interface Draw {
  /** Components that are stored, one to a channel. */
  readonly stored: number;
  readonly groups: number;
  readonly width: number;
  readonly make: Make;
  /** Bits an entry above the least, if there is a bound. */
  readonly above?: number | undefined;
  readonly seed: number;
}

/** Where every symbol is 0 and takes hardly any bits: from such a part on no state is known. */
const NOTHING_HAPPENS: Make = [1e6];
/** Where every component escapes with three bytes, from the table where that is least likely. */
const LONGEST: Make = ["longest"];
/** Where no symbol changes a state. */
const EXACT: Make = ["exact"];

/** So many components that every part of a stream is longer than it has to be. */
const MOST_STORED = 150;

const draws: fc.Arbitrary<Draw> = fc.record({
  // From less than a part of one of those who write a stream to some more than all of their parts.
  stored: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 10, max: MOST_STORED })),
  groups: fc.integer({ min: 1, max: 6 }),
  width: fc.constantFrom(1, 2, 4, 8),
  make: fc.oneof(
    fc.constantFrom(NOTHING_HAPPENS, LONGEST, EXACT),
    fc.array(
      fc.constantFrom<Make[number]>(0.25, 1, 1, 4, 1e6, "exact", "longest"),
      { minLength: 1, maxLength: 5 },
    ),
  ),
  above: fc.constantFrom(undefined, undefined, 0.1, 0.6, 2, 6),
  seed: fc.nat({ max: 1e6 }),
});

/** A cache whose components are its channels, and what is in it. */
function sceneOf({ stored, groups, width, make, above, seed }: Draw) {
  const random = randomNumbers(seed);
  // Every length has kernels of its own, so there are few; the other channels are left out.
  const headDim = stored < 10 ? 10 : MOST_STORED;
  const tokens = groups * GROUP_TOKENS;
  const ofChannel = (c: number) => c >= stored ? "absent" : make[c % make.length]!;
  const channels = Array.from({ length: headDim }, (_, c) => ofChannel(c));
  const shape = { heads: 1, headDim };
  const least = LEAST_GROUP_BITS / (GROUP_TOKENS * headDim);
  const settings = settingsFor(
    transform,
    answers("value", {
      bits: [width],
      calibrationMode: "offline",
      options: {
        steps: channels.map((made) => made === "longest" ? 1 : made),
        ...(above === undefined ? {} : { most_bits: least + above }),
      },
    }),
    shape,
  );
  const identity = new Float64Array(headDim * headDim);
  for (let c = 0; c < headDim; c++) identity[c * (headDim + 1)] = 1;
  const { scales, words: matrix } = packMatrix(
    identity,
    headDim,
    Array.from({ length: stored }, (_, c) => c),
  );
  const stepOf = (made: Make[number]) => {
    if (made === "longest") return 2 ** -20;
    return made === "exact" ? -0.5 : made === "absent" ? 1 : made;
  };
  const calibration = {
    mean: new Float32Array(headDim),
    scales,
    matrix,
    steps: Float32Array.from(channels, stepOf),
    alphabets: Int32Array.from(channels, (made) => {
      if (made === "longest") return TABLES - 1;
      return made === 1e6 ? RATIOS - 1 : Math.floor(random() * TABLES);
    }),
  };
  const scene = oneLayerScene<TransformSettings>(transform, {
    ...shape,
    kind: "value",
    tokens,
    capacity: tokens,
    look: "normal",
    seed,
  }, { ...settings, calibration });
  // Quarters, which no step above has a tie with.
  const data = Float32Array.from(
    { length: tokens * headDim },
    () => Math.round(24 * (random() + random() - 1)) / 4 + 0.125,
  );
  return { scene, data };
}

testBothBackends("transform: streams of any length and make are the same", async (backends) => {
  await fc.assert(
    fc.asyncProperty(draws, async (draw) => {
      const { scene, data } = sceneOf(draw);
      const half = scene.tokens >> 1;
      const [expected, found] = await Promise.all(backends.map(async (backend) => {
        const cache = await new OpenCache(backend, scene, [data]).grow([half, scene.tokens]);
        return { contents: await cache.contents(), restored: await cache.restore() };
      }));
      assertEquals(found, expected);
    }),
    // Besides, groups that are more than a workgroup's invocations.
    {
      numRuns: 30,
      examples: [[{ stored: 5, groups: 67, width: 4, make: [1, "exact", 4], above: 2, seed: 1 }]],
    },
  );
});

testBothBackends("transform: a stream takes what its symbols take at most", async (backends) => {
  for (const width of [1, 4, 8]) {
    const { scene, data } = sceneOf({ stored: 70, groups: 2, width, make: LONGEST, seed: width });
    for (const backend of backends) {
      const cache = await new OpenCache(backend, scene, [data]).grow([scene.tokens]);
      const [, ends] = (await cache.contents())[0]!;
      const bits = ends!.words[0]!;
      // Three bytes follow each of the symbols, which takes some bits itself.
      assert(bits > 16 * 70 * (24 + 1), `${bits} bits at ${width}`);
    }
  }
});
