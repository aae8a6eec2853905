/** Families that learn offline, through the calibrator. */
import { builtInFamilies } from "../../quant/registry.ts";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { Planner } from "../../policies/plan.ts";
import { InProcessHost } from "../../policies/host.ts";
import { kvquantNuq2, kvquantNuq4 } from "../../policies/kvquant.ts";
import { skvqFull2bit } from "../../policies/skvq_full.ts";
import { PolicyError } from "../../policies/check.ts";
import type { Policy } from "../../policies/policy.ts";
import type { Settings } from "../../quant/family.ts";
import { QuantizerError } from "../../quant/quantizer_error.ts";
import { kvquant } from "../../quant/families/kvquant/kvquant.ts";
import { uniform } from "../../quant/families/uniform/uniform.ts";
import { Calibrator, readCalibration, writeCalibration } from "../../calibration/calibrator.ts";
import { answers } from "../quant/stores/affine/affine_answers.ts";
import { MemoryStore } from "./memory_store.ts";
import type { ForwardInput, ForwardOutput } from "../../engine/engine.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import { SyntheticEngine } from "../engine/synthetic_engine.ts";
import { settingsFor } from "../../quant/settings_for.ts";

const ids = [
  Array.from({ length: 30 }, (_, i) => i % 10),
  Array.from({ length: 20 }, (_, i) => i % 7),
];
const samples = ids.map((sample) => ({ ids: sample, reply: 4 }));

function keySettings(layer = 0, bits = 4): Settings {
  const given = answers("key", {
    layer,
    bits: [bits, bits],
    axis: "channel",
    calibrationMode: "offline",
  });
  return settingsFor(kvquant, given, { heads: 2, headDim: 8 });
}

Deno.test("a family learns from the tensors of its own layer and kind", async () => {
  const calibrator = new Calibrator({
    families: builtInFamilies,
    engine: new SyntheticEngine(),
    samples,
  });
  const first = await calibrator.family(keySettings(0));
  const second = await calibrator.family(keySettings(1));
  assertNotEquals(first.value, second.value);
  const upper = first.value["upper"]!;
  const lower = first.value["lower"]!;
  assertEquals(upper.length, 16);
  const engine = new SyntheticEngine();
  for (let channel = 0; channel < 16; channel++) {
    const column = ids.flatMap((sample) =>
      sample.map((id, position) =>
        engine.row("preRopeKey", 0, Math.floor(channel / 8), id, position)[channel % 8]!
      )
    );
    assert(upper[channel]! <= Math.max(...column) + 1e-2);
    assert(lower[channel]! >= Math.min(...column) - 1e-2);
    assert(lower[channel]! < upper[channel]!);
  }
  const book = first.value["codebook4"] as Float32Array;
  assertEquals(book.length, 16);
  assert(book.every((x, i) => i === 0 || x >= book[i - 1]!));
});

Deno.test("the same samples and settings give the same calibration, other settings another", async () => {
  const learn = async (settings: Settings) =>
    (await new Calibrator({ families: builtInFamilies, engine: new SyntheticEngine(), samples })
      .family(settings)).value;
  assertEquals(await learn(keySettings()), await learn(keySettings()));
  assertNotEquals(await learn(keySettings()), await learn(keySettings(0, 3)));
});

Deno.test("calibrations come from the store the second time, keyed by set and settings", async () => {
  const store = new MemoryStore();
  const engine = new SyntheticEngine();
  const learn = async (settings: Settings, set = samples) => {
    const calibrator = new Calibrator({ families: builtInFamilies, engine, samples: set, store });
    const learned = await calibrator.family(settings);
    await calibrator.keep();
    return learned;
  };
  const first = await learn(keySettings());
  const runs = engine.runs;
  assertEquals([await learn(keySettings()), engine.runs], [first, runs]);
  await learn(keySettings(0, 3));
  assert(engine.runs > runs, "other settings must be learned");
  const before = engine.runs;
  await learn(keySettings());
  assertEquals(engine.runs, before);
  await learn(keySettings(), samples.slice(1));
  assert(engine.runs > before, "another set must be run");
});

Deno.test("one run of the set teaches every policy and window of a family, kept in one file", async () => {
  const store = new MemoryStore();
  const engine = new SyntheticEngine();
  const calibrator = new Calibrator({ families: builtInFamilies, engine, samples, store });
  let prefills = 0;
  for (const layer of [0, 1]) {
    for (const residualLength of [0, 4, 13, 16, 128]) {
      for (const bits of [2, 4]) {
        await calibrator.family({ ...keySettings(layer, bits), residualLength } as Settings);
        prefills ||= engine.runs;
      }
    }
    await calibrator.keep();
  }
  assertEquals(engine.runs, prefills);
  assertEquals(store.size, 1);
  assertEquals((await calibrator.export()).entries.length, 4);
});

Deno.test("what two processes learned of one family is kept of both", async () => {
  const store = new MemoryStore();
  const engine = new SyntheticEngine();
  const open = () => new Calibrator({ families: builtInFamilies, engine, samples, store });
  const [one, two] = [open(), open()];
  await one.family(keySettings(0));
  await two.family(keySettings(1));
  await one.keep();
  await two.keep();
  const runs = engine.runs;
  const third = open();
  await third.family(keySettings(0));
  await third.family(keySettings(1));
  assertEquals(engine.runs, runs);
});

Deno.test("a calibration file replaces learning, and another model's is named", async () => {
  const first = new Calibrator({
    families: builtInFamilies,
    engine: new SyntheticEngine(),
    samples,
  });
  const learned = await first.family(keySettings());
  const file = await readCalibration(await writeCalibration(await first.export()), "f");
  const engine = new SyntheticEngine();
  const notices: string[] = [];
  const notice = (sentence: string) => notices.push(sentence);
  const second = new Calibrator({ families: builtInFamilies, engine, samples, file, notice });
  assertEquals(await second.family(keySettings()), learned);
  assertEquals([engine.runs, notices.length], [0, 0]);
  new Calibrator({
    families: builtInFamilies,
    engine,
    samples,
    file: { ...file, engine: "another" },
    notice,
  });
  assertEquals(notices.length, 1);
});

Deno.test("a family that learns nothing is refused", async () => {
  const calibrator = new Calibrator({
    families: builtInFamilies,
    engine: new SyntheticEngine(),
    samples,
  });
  const settings = settingsFor(uniform, answers("key", { groupSize: 8 }), { heads: 2, headDim: 8 });
  await assertRejects(() => calibrator.family(settings), QuantizerError, "nothing to calibrate");
  const empty = new Calibrator({
    families: builtInFamilies,
    engine: new SyntheticEngine(),
    samples: [],
  });
  await assertRejects(() => empty.family(keySettings()), QuantizerError, "no sample");
});

function planner(policy: Policy, calibrator?: Calibrator): Planner {
  return new Planner(
    new InProcessHost("test", policy),
    { heads: 2, headDim: 64, layers: 2 },
    { families: builtInFamilies, budgetBits: 4, calibrationMode: "offline" },
    calibrator && (async (settings) => (await calibrator.family(settings)).value),
  );
}

const question = {
  budget: {
    budget_bits: 4,
    used_bits: 0,
    remaining_bits: 4,
    step: 0,
    total_steps: null,
    layers: 2,
    kv_heads: 2,
    head_dim: 64,
  },
  request: { slice: "s", dataset: "d", prompt_tokens: 9, cache_tokens: 8, max_new_tokens: 4 },
  stats: () => {
    throw new Error("these policies read no statistics");
  },
};

for (const [name, policy] of Object.entries({ kvquantNuq4, kvquantNuq2, skvqFull2bit })) {
  Deno.test(`${name}: the plan carries what its family learned, once for all steps`, async () => {
    const engine = new SyntheticEngine({ headDim: 64, hidden: 256 });
    const plans = planner(policy(), new Calibrator({ families: builtInFamilies, engine, samples }));
    const load = () => Promise.resolve();
    const first = await plans.plan(question, load);
    const runs = engine.runs;
    const second = await plans.plan(question, load);
    assertEquals(first.needs, { preRope: true, queries: false });
    assertEquals(engine.runs, runs);
    for (const [i, settings] of first.plan.entries()) {
      assert(settings.calibration !== undefined);
      assert(settings === second.plan[i]);
    }
  });
}

Deno.test("a policy that calibrates is refused by a run without a calibration set", async () => {
  const load = () => Promise.resolve();
  await assertRejects(
    () => planner(kvquantNuq4()).plan(question, load),
    PolicyError,
    "calibration set",
  );
});

/** A model whose values overflow in layer 1. */
class OverflowingEngine extends SyntheticEngine {
  override async forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const output = await super.forward(input);
    const values = output.layers[1]?.value.data;
    if (values !== undefined) values[5] = Infinity;
    return output;
  }
}

Deno.test("nothing is learned from samples that are not finite, and the sentence says where", async () => {
  const calibrator = new Calibrator({
    families: builtInFamilies,
    engine: new OverflowingEngine(),
    samples,
  });
  const sentence = "Layer 1 values of the calibration set are not finite; nothing can be learned";
  await assertRejects(() => calibrator.statistics(), QuantizerError, sentence);
  await assertRejects(() => calibrator.family(keySettings()), QuantizerError, sentence);
});

Deno.test("a calibration file that is not finite is refused by layer, kind and name", async () => {
  const teacher = new Calibrator({
    families: builtInFamilies,
    engine: new SyntheticEngine(),
    samples,
  });
  const settings = keySettings();
  const { value } = await teacher.family(settings);
  value["upper"]![0] = NaN;
  const calibrator = new Calibrator({
    families: builtInFamilies,
    engine: new SyntheticEngine(),
    samples,
    file: await teacher.export(),
  });
  await assertRejects(
    () => calibrator.family(settings),
    QuantizerError,
    'Layer 0 keys: the upper that family "kvquant" learned under these settings are not finite',
  );
});
