import type { KeptSamples, Sensitivity } from "../../quant/calibration.ts";
import { transformNoise } from "../../quant/families/transform/transform_noise.ts";
import { uniform } from "../../quant/families/uniform/uniform.ts";
import { builtInFamilies, Families } from "../../quant/registry.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { CALIBRATION_PERCENTILES } from "../../policies/calibration_statistics.ts";
import {
  CalibrationCost,
  CalibrationError,
  type CalibrationFile,
  Calibrator,
  readCalibration,
  writeCalibration,
} from "../../calibration/calibrator.ts";
import { plainRotary } from "../../engine/rotary.ts";
import { MemoryStore } from "./memory_store.ts";
import { SyntheticEngine } from "../engine/synthetic_engine.ts";
import { answers } from "../quant/stores/affine/affine_answers.ts";
import { settingsFor } from "../../quant/settings_for.ts";

const ids = [[1, 2, 3, 4, 5], [9, 8, 7]];
const samples = ids.map((sample) => ({ ids: sample, reply: 1 }));
const set = { samples: 2, tokens: 8, sha256: "0".repeat(64) };

Deno.test("calibration statistics are those of the tokens that were run", async () => {
  const engine = new SyntheticEngine();
  const { value, samplesSeconds } = await new Calibrator({
    families: builtInFamilies,
    engine,
    samples,
  }).statistics();
  assertEquals(value.samples, 2);
  assertEquals(value.tokens, 8);
  assert(samplesSeconds > 0);
  assertEquals(value.layers.length, engine.shape.layers);
  const rows = ids.flatMap((sample) =>
    sample.map((id, position) => engine.row("value", 1, 1, id, position))
  );
  const head = value.layers[1]!.value[1]!;
  for (let channel = 0; channel < engine.shape.headDim; channel++) {
    const column = rows.map((row) => row[channel]!);
    const mean = column.reduce((a, b) => a + b) / column.length;
    const other = rows.map((row) => row[0]!);
    const otherMean = other.reduce((a, b) => a + b) / other.length;
    const covariance = column.reduce((sum, x, i) => sum + (x - mean) * (other[i]! - otherMean), 0) /
      column.length;
    assertEquals(head.min[channel], Math.min(...column));
    assertEquals(head.max[channel], Math.max(...column));
    assertAlmostEquals(head.mean[channel]!, mean, 1e-9);
    assertAlmostEquals(head.covariance[channel]![0]!, covariance, 1e-9);
    assertAlmostEquals(head.std[channel]! ** 2, head.covariance[channel]![channel]!, 1e-9);
    const sorted = column.toSorted((a, b) => a - b);
    const median = (sorted[3]! + sorted[4]!) / 2;
    const at = CALIBRATION_PERCENTILES.indexOf(50);
    assertAlmostEquals(head.percentiles[at]![channel]!, median, 1e-6);
  }
});

Deno.test("query statistics join the query heads of a KV head and undo the rotation", async () => {
  const engine = new SyntheticEngine({ rotary: { ...plainRotary(8, 100), scale: 1.25 } });
  const { headDim, queryHeads, kvHeads } = engine.shape;
  const { value } = await new Calibrator({ families: builtInFamilies, engine, samples })
    .statistics();
  const group = queryHeads / kvHeads;
  for (const [name, kind] of [["query", "query"], ["query_pre_rope", "preRopeQuery"]] as const) {
    const stats = value.layers[0]![name][1]!;
    assertEquals(stats.queries, 8 * group);
    for (const [i, j] of [[0, 0], [1, headDim - 1], [headDim - 1, 1]] as const) {
      let sum = 0;
      for (const sample of ids) {
        sample.forEach((id, position) => {
          for (let g = 0; g < group; g++) {
            const row = engine.row(kind, 0, group + g, id, position);
            sum += row[i]! * row[j]!;
          }
        });
      }
      assertAlmostEquals(stats.second_moment[i]![j]!, sum / stats.queries, 1e-5);
    }
  }
});

Deno.test("a policy's statistics survive JSON", async () => {
  const { value } = await new Calibrator({
    families: builtInFamilies,
    engine: new SyntheticEngine(),
    samples,
  }).statistics();
  assertEquals(JSON.parse(JSON.stringify(value)), value);
});

Deno.test("families publish statistics under their names", async () => {
  const engine = new SyntheticEngine();
  const { layers, kvHeads, headDim } = engine.shape;
  const seen = {
    ...uniform,
    name: "mine",
    noise: transformNoise,
    statistics: (given: KeptSamples, sensitivity: readonly Sensitivity[]) => ({
      samples: given.layers[0]!.keys.length,
      layers: sensitivity.length,
    }),
  };
  const calibrator = new Calibrator({ families: new Families([seen]), engine, samples });
  const { families } = (await calibrator.statistics()).value;
  assertEquals(Object.keys(families), ["transform", "mine"]);
  assertEquals(families.mine, { samples: 2, layers });
  const { widths, steps, layers: components } = families.transform;
  assertEquals(components.length, layers);
  const [first] = components[1]!.key;
  assertEquals(components[1]!.key.length, kvHeads * headDim);
  assertEquals(first!.bits.map((row) => row.length), widths.map(() => steps.length));
  // Components come in order of what leaving them out costs.
  const costs = components[0]!.value.map(({ variance }) => variance);
  assertEquals(costs, costs.toSorted((a, b) => b - a));
});

Deno.test("what a family of one's own makes of the samples is not kept: it may have changed", async () => {
  const store = new MemoryStore();
  let told = 1;
  const mine = {
    ...uniform,
    name: "mine",
    statistics: () => told,
    calibrate: () => ({ told: Int32Array.of(told) }),
  };
  const settings = {
    ...settingsFor(uniform, answers("key"), { heads: 2, headDim: 8 }),
    family: "mine",
  };
  const learn = async () => {
    const calibrator = new Calibrator({
      families: new Families([mine]),
      engine: new SyntheticEngine(),
      samples,
      store,
    });
    const { families } = (await calibrator.statistics()).value;
    return [families.mine, [...(await calibrator.family(settings)).value.told!]];
  };
  assertEquals(await learn(), [1, [1]]);
  told = 2;
  assertEquals(await learn(), [2, [2]]);
});

Deno.test("a file without what a family publishes is not enough", async () => {
  const engine = new SyntheticEngine();
  const first = new Calibrator({ families: builtInFamilies, engine, samples });
  await first.statistics();
  const mine = { ...uniform, name: "mine", statistics: () => 5 };
  const second = new Calibrator({
    families: new Families([mine]),
    engine,
    samples,
    file: await first.export(),
  });
  assertEquals((await second.statistics()).value.families.mine, 5);
});

Deno.test("statistics come from the store the second time, with their first cost", async () => {
  const store = new MemoryStore();
  const engine = new SyntheticEngine();
  const open = (set = samples) =>
    new Calibrator({ families: builtInFamilies, engine, samples: set, store });
  const first = await open().statistics();
  const runs = engine.runs;
  assert(runs > 0);
  assertEquals(await open().statistics(), first);
  assertEquals(engine.runs, runs);
  await open(samples.slice(1)).statistics();
  assert(engine.runs > runs, "another set must be run");
});

Deno.test("what another model or set taught is not taken, whatever it is kept under", async () => {
  for (const foreign of [{ engine: "another" }, { set: "another" }]) {
    const store = new MemoryStore();
    const engine = new SyntheticEngine();
    const open = () => new Calibrator({ families: builtInFamilies, engine, samples, store });
    await open().statistics();
    const runs = engine.runs;
    const load = store.load.bind(store);
    store.load = async (key) => ({ ...(await load(key))!, ...foreign });
    await open().statistics();
    assert(engine.runs > runs);
  }
});

Deno.test("a calibration file keeps arrays exactly", async () => {
  const file: CalibrationFile = {
    engine: "e",
    set: "s",
    entries: [{
      family: "f",
      set,
      settings: "{}",
      seconds: 1,
      samplesSeconds: 2,
      value: {
        wide: Float32Array.of(1.5, -0, 1e-40),
        narrow: Float16Array.of(65504, -2),
        whole: Int32Array.of(-1, 7),
      },
    }],
  };
  assertEquals(await readCalibration(await writeCalibration(file), "f"), file);
});

Deno.test("damaged calibration files are refused in one sentence", async () => {
  const good = await writeCalibration({ engine: "e", set: "s", entries: [] });
  const bytes = (text: string) => new TextEncoder().encode(text);
  const changed = good.slice();
  changed[40]! ^= 1;
  // Who writes one by hand can hash it, too.
  const holding = (file: object) => writeCalibration(file as CalibrationFile);
  const learned = { value: {}, set, seconds: 1, samplesSeconds: 1 };
  for (
    const [given, part] of [
      [bytes("nonsense"), 'begins with "nonsense"; expected "kvreplay calibration'],
      [bytes(""), 'begins with ""'],
      // Learned otherwise then.
      [bytes('{"format":"kvreplay calibration 3"}'), "begins with"],
      [good.subarray(0, good.length - 1), "do not match"],
      [good.subarray(0, 25), "do not match"],
      [changed, "do not match"],
      [await holding({}), "holds something else"],
      [await holding({ engine: "e", set: "s", entries: [learned] }), "holds something else"],
      [
        await holding({
          engine: "e",
          set: "s",
          entries: [{ ...learned, family: "f", settings: "{}", set: { ...set, tokens: -1 } }],
        }),
        "holds something else",
      ],
      [
        await holding({
          engine: "e",
          set: "s",
          entries: [{ ...learned, family: "f", settings: "{}", value: { upper: [1, 2, 3, 4] } }],
        }),
        "holds something else",
      ],
    ] as const
  ) {
    await assertRejects(() => readCalibration(given, "f"), CalibrationError, part);
  }
});

Deno.test("a calibration file replaces the run", async () => {
  const engine = new SyntheticEngine();
  const first = new Calibrator({ families: builtInFamilies, engine, samples });
  const statistics = await first.statistics();
  const other = new SyntheticEngine();
  const notices: string[] = [];
  const second = new Calibrator({
    families: builtInFamilies,
    engine: other,
    samples,
    file: await first.export(),
    notice: (sentence) => notices.push(sentence),
  });
  assertEquals(await second.statistics(), statistics);
  assertEquals([other.runs, notices.length], [0, 0]);
});

Deno.test("the cost counts every entry and the pass over the samples once", () => {
  const cost = new CalibrationCost();
  const learned = { value: 0, set, seconds: 2, samplesSeconds: 5 };
  cost.add(learned);
  cost.add(learned);
  cost.add({ value: 0, set, seconds: 1, samplesSeconds: 5 });
  cost.addSeconds(0.5);
  assertEquals(cost.seconds, 8.5);
  assertEquals(cost.sets, [set]);
});
