/** That settings which share what is learned would have learned the same each. */
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { CalibrationSamples } from "../../quant/calibration.ts";
import type { Family, HookAnswers, Settings } from "../../quant/family.ts";
import { kvquant } from "../../quant/families/kvquant/kvquant.ts";
import { skvq } from "../../quant/families/skvq/skvq.ts";
import { transform } from "../../quant/families/transform/transform.ts";
import { uniform } from "../../quant/families/uniform/uniform.ts";
import { fitted, learn, learnedKey } from "../../quant/learned.ts";
import { keepSamples } from "../../quant/sample_keeper.ts";
import { settingsFor } from "../../quant/settings_for.ts";
import { rotaryOf } from "./cache_scenes.ts";
import { kvData } from "./kv_data.ts";

const shape = { heads: 2, headDim: 64 };

function samplesOf(seed: number): CalibrationSamples {
  const tensor = (heads: number, offset: number) => ({
    heads,
    capacity: 40,
    headDim: shape.headDim,
    data: kvData(heads * 40, shape.headDim, "normal", seed + offset),
  });
  const layer = {
    keys: [tensor(2, 1)],
    preRopeKeys: [tensor(2, 2)],
    values: [tensor(2, 3)],
    queries: [tensor(4, 4)],
  };
  return { layers: [layer], rotary: rotaryOf(shape.headDim) };
}

const samples = keepSamples(samplesOf(7));

function settingsOf(family: Family, answers: Partial<HookAnswers>): Settings {
  return settingsFor(family, {
    layer: 0,
    kind: "key",
    bits: [2, 2],
    axis: "token",
    residualLength: 0,
    calibrationMode: "offline",
    ...answers,
  }, shape);
}

const learning: Record<string, [family: Family, answers: fc.Arbitrary<Partial<HookAnswers>>]> = {
  skvq: [
    skvq as unknown as Family,
    fc.record({
      options: fc.record({
        reorder: fc.boolean(),
        smoothing: fc.constant(true),
        pre_rope: fc.boolean(),
      }),
      groupSize: fc.constantFrom(32, 64),
      clipRatio: fc.constantFrom(0.9, 1),
    }),
  ],
  kvquant: [
    kvquant as unknown as Family,
    fc.record({
      axis: fc.constantFrom("channel" as const, "token" as const),
      outliersRatio: fc.constantFrom(0, 0.1),
      options: fc.record({ q_norm: fc.boolean(), pre_rope: fc.boolean() }),
    }),
  ],
  "kvquant, evenly spaced": [
    kvquant as unknown as Family,
    fc.record({
      axis: fc.constant("channel" as const),
      quantizationMethod: fc.constant("uniform" as const),
      options: fc.record({ round_zero: fc.boolean() }),
    }),
  ],
  transform: [
    transform as unknown as Family,
    fc.record({
      options: fc.record({
        steps: fc.constantFrom(0.5, 2, "absent" as const).map((step) => new Array(128).fill(step)),
      }),
    }),
  ],
};

for (const [name, [family, others]] of Object.entries(learning)) {
  Deno.test(`${name}: settings that share what is learned would learn the same`, () => {
    const all = fc.record({
      kind: fc.constantFrom("key" as const, "value" as const),
      width: fc.constantFrom(2, 4),
      residualLength: fc.constantFrom(0, 7, 128),
      sinkTokens: fc.constantFrom(0, 4),
      others,
    }).map(({ width, others, ...rest }) =>
      settingsOf(family, { bits: [width, width], ...rest, ...others })
    );
    const byKey = new Map<string, Settings>();
    let shared = 0;
    fc.assert(
      fc.property(all, (settings) => {
        const key = learnedKey(family, settings);
        const known = byKey.get(key);
        if (known === undefined) return void byKey.set(key, settings);
        shared++;
        const other = family.calibrate!(samples, known);
        assertEquals(family.calibrate!(samples, settings), other);
        assertEquals(learn(family, samples, settings), fitted(family, other, settings));
      }),
      { numRuns: 60, seed: 12 },
    );
    assertNotEquals(shared, 0);
  });

  Deno.test(`${name}: a window hangs on nothing that is learned`, () => {
    const [short, long] = [0, 128].map((residualLength) => {
      const [first] = fc.sample(others, { numRuns: 1, seed: 3 });
      return learnedKey(family, settingsOf(family, { ...first, residualLength }));
    });
    assertEquals(short, long);
  });
}

Deno.test("kvquant: sink tokens are left out of the codebook, so that it learns by them", () => {
  const key = (sinkTokens: number) =>
    learnedKey(
      kvquant as unknown as Family,
      settingsOf(kvquant as unknown as Family, { sinkTokens }),
    );
  assertNotEquals(key(0), key(1));
});

Deno.test("a family that learns nothing is refused", () => {
  const settings = settingsFor(uniform, {
    layer: 0,
    kind: "key",
    bits: [2, 2],
    axis: "token",
    residualLength: 0,
    calibrationMode: "none",
  }, shape);
  assertThrows(
    () => learn(uniform as unknown as Family, samples, settings),
    Error,
    'Family "uniform" has nothing to calibrate',
  );
});
