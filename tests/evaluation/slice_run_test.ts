/** What is not finite, and what cannot be learned, costs nobody else a number. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Calibrator } from "../../calibration/calibrator.ts";
import { openEngine } from "../../engine/devices/open.ts";
import type { Engine, ForwardInput } from "../../engine/engine.ts";
import { loadModel } from "../../engine/checkpoint/model.ts";
import { type RunEvents, runSlice } from "../../evaluation/slice_run.ts";
import type { SliceResult } from "../../evaluation/results.ts";
import { PolicyError } from "../../policies/check.ts";
import { InProcessHost, type PolicyHost } from "../../policies/host.ts";
import type { Policy } from "../../policies/policy.ts";
import { hostBuiltin } from "../../policies/registry.ts";
import { uniformQuant4bit } from "../../policies/uniform_quant.ts";
import type { Family, Store } from "../../quant/family.ts";
import { uniform } from "../../quant/families/uniform/uniform.ts";
import { Families } from "../../quant/registry.ts";
import type { CpuTensor, KvShape } from "../../quant/tensor.ts";
import { sliceTable } from "../../report/table.ts";

const model = await loadModel("models/mini");
const encode = (text: string) => model.tokenizer.encode(text);

/** A token that the examples hold where the model is to go wrong. */
const [TILDE] = encode("~");

interface Options {
  readonly families?: Families;
  readonly prompts?: Readonly<Record<string, string>>;
  readonly steps?: number;
  readonly budgetBits?: number;
  readonly passOver?: readonly string[];
  /** What becomes of a forward pass's logits. */
  readonly broken?: (input: ForwardInput<KvShape>, logits: Float32Array) => void;
  readonly events?: RunEvents;
}

const prompts = { a: "one two three four", b: "five six seven", c: "eight nine ten" };

async function run(hosts: readonly PolicyHost[], options: Options = {}) {
  const { families = new Families(), steps = 3, budgetBits = 4, broken } = options;
  const real = await openEngine(model, "cpu");
  const engine: Engine = broken === undefined ? real : new Proxy(real, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (name !== "forward") return typeof value === "function" ? value.bind(target) : value;
      return async (input: ForwardInput<KvShape>) => {
        const output = await target.forward(input as never);
        broken(input, output.logits);
        return output;
      };
    },
  });
  const notices: string[] = [];
  try {
    const result = await runSlice({
      slice: "finite",
      engine,
      families,
      examples: Object.entries(options.prompts ?? prompts).map(([id, text]) => ({
        id,
        dataset: "control",
        prompt: encode(text),
        score: () => 1,
      })),
      hosts,
      ...(options.passOver === undefined ? {} : { passOver: options.passOver }),
      maxNewTokens: steps,
      budgetBits,
      eosIds: [],
      decode: (ids) => model.tokenizer.decode(ids),
      stepwise: false,
      calibration: new Calibrator({
        engine,
        families,
        samples: [{
          ids: encode("The lamp stands in room 4 and the coin lies in box 9."),
          reply: 4,
        }],
      }),
      events: { ...options.events, notice: (sentence) => notices.push(sentence) },
    });
    return { ...result, notices };
  } finally {
    await real.close();
  }
}

const own = (name: string, changes: Partial<Policy>) =>
  new InProcessHost(name, { ...uniformQuant4bit(), ...changes });

/** The policy between two built-ins, which must not notice it. */
async function between(host: PolicyHost, options: Options = {}): Promise<string> {
  const [first, last] = [hostBuiltin("uniform_quant_2bit"), hostBuiltin("uniform_quant_4bit")];
  const { results, failures } = await run([first, host, last], options);
  assertEquals(results.map(({ policy }) => policy), ["uniform_quant_2bit", "uniform_quant_4bit"]);
  for (const { numbers } of results) {
    for (const [field, value] of Object.entries(numbers)) assert(Number.isFinite(value), field);
    assertEquals([numbers.examples, numbers.examples_left_out], [3, 0]);
  }
  assertEquals(failures.map(({ policy }) => policy), [host.name]);
  return failures[0]!.reason;
}

/** `uniform`, with something wrong in what it restores of layer 3's values. */
function damaged(wrong: number): Families {
  const family: Family<ReturnType<typeof uniform.resolve>, "sink_tokens"> = {
    ...uniform,
    name: "damaged",
    openCpu(source, settings, tokens) {
      const store = uniform.openCpu(source, settings, tokens);
      if (settings.layer !== 3 || settings.kind !== "value") return store;
      return new Proxy(store, {
        get(target, name) {
          if (name === "restore") {
            return (tensor: CpuTensor) => {
              target.restore(tensor);
              tensor.data[tensor.headDim * 2] = wrong;
            };
          }
          const value = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      }) as Store<CpuTensor>;
    },
  };
  return new Families([family as unknown as Family]);
}

for (const wrong of [NaN, Infinity, -Infinity]) {
  Deno.test(`a policy that restores ${wrong} fails alone, by layer and kind`, async () => {
    const host = own("mine", { quantizer_family: () => "damaged" });
    assertMatch(
      await between(host, { families: damaged(wrong) }),
      /^Policy mine: rejected: Layer 3 values: what was restored of token 2 is not finite/,
    );
  });
}

Deno.test("a policy whose restored cache gives logits that are not finite fails alone", async () => {
  // Only a replayed pass asks for the logits of several tokens.
  let passes = 0;
  const { results, failures } = await run(
    [hostBuiltin("reference"), hostBuiltin("uniform_quant_4bit")],
    {
      broken: ({ ids, mask, logits: rows }, logits) => {
        const coded = ids.length > 1 && rows === ids.length && mask.length > 0;
        if (coded && ++passes === 2) logits[7] = NaN;
      },
    },
  );
  assertEquals(results.map(({ policy }) => policy), ["reference"]);
  assertMatch(
    failures[0]!.reason,
    /^Policy uniform_quant_4bit: rejected: Layer \d (key|value)s lost most of all, and the logits .* step 0 are not finite$/,
  );
});

Deno.test("a family that learns what is not finite is its policy's failure alone", async () => {
  const huge: Partial<Policy> = {
    quantizer_family: () => "transform",
    calibration_mode: () => "offline",
    family_options: () => ({ steps: new Array(128).fill(1e39) }),
  };
  assertEquals(
    await between(own("huge", huge)),
    'Policy huge: rejected: Layer 0 keys: the steps that family "transform" learned under these ' +
      "settings are not finite in float32",
  );
});

Deno.test("whatever calibration throws is its policy's failure alone", async () => {
  // One of this project's families: those of one's own are named where they are let in.
  const families = new class extends Families {
    override of(name: string): Family {
      const calibrate = () => {
        throw new TypeError("nothing varies");
      };
      return { ...super.of(name), ...name === "transform" ? { calibrate } : {} };
    }
  }();
  const offline: Partial<Policy> = { calibration_mode: () => "offline" };
  assertEquals(
    await between(own("mine", { ...offline, quantizer_family: () => "transform" }), { families }),
    'Policy mine: rejected: Layer 0 keys: family "transform" cannot learn from the calibration set: ' +
      "TypeError: nothing varies",
  );
  const policy = {
    ...uniformQuant4bit(),
    ...offline,
    calibrate: () => {
      throw new RangeError("no such percentile");
    },
  };
  // In a built-in too: what there is to learn from is not in its hands.
  for (const whose of ["own", "built-in"] as const) {
    const told: (readonly [number, number, string])[] = [];
    assertEquals(
      await between(new InProcessHost("mine", policy, whose), {
        events: { progress: (...work) => told.push(work) },
      }),
      "Policy mine: rejected: It threw RangeError: no such percentile",
    );
    assertEquals(told[0], [0, 1, "mine learns from the calibration set"]);
  }
});

Deno.test("an example that is not finite in full precision is named, and the others count", async () => {
  const broken: Options["broken"] = ({ ids }, logits) => {
    if (ids.includes(TILDE!)) logits.fill(NaN);
  };
  const hosts = () => [hostBuiltin("reference"), hostBuiltin("uniform_quant_4bit")];
  const mixed = await run(hosts(), { prompts: { ...prompts, b: "five six seven ~" }, broken });
  const sentence =
    "Example b left out: in full precision the model's logits of step 0 are not finite";
  assertEquals(mixed.notices, [sentence]);
  assertEquals(mixed.refused, [{ id: "b", reason: sentence }]);
  assertEquals(mixed.failures, []);
  for (const { numbers, outcomes } of mixed.results) {
    assertEquals([numbers.examples, numbers.examples_left_out], [2, 1]);
    assertEquals(outcomes.map(({ id }) => id), ["a", "c"]);
  }
  assertMatch(sliceTable(mixed), /^finite: 2 examples, 6 steps, 1 examples left out\n/);
  const { b: _, ...rest } = prompts;
  const without = await run(hosts(), { prompts: rest });
  assertEquals(
    mixed.results.map(({ numbers }) => numbers.quality_main),
    without.results.map(({ numbers }) => numbers.quality_main),
  );
  await assertRejects(
    () => run(hosts(), { prompts: { only: "five ~" }, broken }),
    PolicyError,
    "No example of slice finite can be run: Example only left out",
  );
});

Deno.test("what is finished is told after every example, and stays when the device is lost", async () => {
  const hosts = () => [hostBuiltin("reference"), hostBuiltin("uniform_quant_4bit")];
  /** Loses the device at a piece of work. */
  const losing = async (at: string) => {
    const parts: SliceResult[] = [];
    let lost = false;
    const broken = () => {
      if (lost) throw new Error("The device is lost");
    };
    const events: RunEvents = {
      progress: (_done, _total, what) => lost = what === at,
      partial: (part) => parts.push(part),
    };
    await assertRejects(() => run(hosts(), { broken, events }), Error, "The device is lost");
    return parts;
  };
  assertEquals(await losing("a uniform_quant_4bit"), []);
  // The reference alone has replayed c: it does not count, and nobody failed.
  const [first, part, ...more] = await losing("c uniform_quant_4bit");
  assertEquals(first!.results.map(({ outcomes }) => outcomes.map(({ id }) => id)), [["a"], ["a"]]);
  assertEquals([more, part!.partial, part!.failures], [[], true, []]);
  const { c: _, ...rest } = prompts;
  const whole = await run(hosts(), { prompts: rest });
  const untimed = ({ results }: Pick<SliceResult, "results">) =>
    results.map(({ policy, outcomes, numbers }) => ({
      policy,
      quality: numbers.quality_main,
      peak: numbers.peak_kv_memory_mb,
      steps: outcomes.map(({ id, steps }) => [id, steps]),
    }));
  assertEquals(untimed(part!), untimed(whole));
});

Deno.test("a run in which nothing was quantized says so beside its number", async () => {
  const all = await run([hostBuiltin("reference"), hostBuiltin("kivi_overlap_4bit")]);
  const [reference, kivi] = all.results;
  assertEquals([reference!.numbers.code_bits, kivi!.numbers.code_bits], [16, 0]);
  const said = "nothing was quantized: every token was among those kept exact";
  assertEquals([reference!.remarks, kivi!.remarks], [[], [said]]);
  assertEquals(sliceTable(all).split("\n").at(-1), "kivi_overlap_4bit: nothing was quantized");
});

Deno.test("escapes count against the budget, at every step", async () => {
  // Steps so small that next to every component escapes.
  const host = own("fine", {
    quantizer_family: () => "transform",
    calibration_mode: () => "offline",
    family_options: () => ({ steps: new Array(128).fill(1e-3) }),
  });
  const words = Array.from({ length: 24 }, (_, i) => `word ${i}`).join(" ");
  assertMatch(
    await between(host, { prompts: { a: words, b: words, c: words } }),
    /^Policy fine: rejected: Layer \d (key|value)s: codes take [\d.]+ bits each at step 0, escapes included, and those of all layers [\d.]+, over the budget of 4$/,
  );
});

Deno.test("adaptive policies hold their rate at every step, or the budget if that is lower", async () => {
  const words = Array.from({ length: 40 }, (_, i) => `word ${i}`).join(" ");
  // All that is learned here comes from a sentence of another kind.
  const foreign = 'fn main() { let x: Vec<u8> = vec![0x7f; 9]; println!("{:?}", x); } '.repeat(6);
  for (const budgetBits of [1, 2, 3, 4]) {
    const rates = { adaptive: 3, adaptive_2bit: 2, adaptive_1bit: 1.5 } as const;
    const hosts = Object.keys(rates).map((name) => hostBuiltin(name as keyof typeof rates));
    const { results, failures } = await run(hosts, {
      prompts: { words, foreign },
      steps: 20,
      budgetBits,
    });
    assertEquals(failures, []);
    for (const { policy, numbers, outcomes, remarks } of results) {
      const rate = Math.min(budgetBits, rates[policy as keyof typeof rates]);
      assertEquals(remarks, []);
      assert(numbers.code_bits > 0.5 * rate, `${policy}: ${numbers.code_bits}`);
      for (const { steps } of outcomes) {
        for (const { bytes, elements, codes, codeBits } of steps) {
          assert(codes > 0 && codeBits <= rate * codes, `${policy} at ${budgetBits}`);
          assert(
            8 * bytes <= rate * elements + 16 * (elements - codes),
            `${policy} at ${budgetBits}`,
          );
        }
      }
    }
  }
});

Deno.test("a built-in that does not apply is passed over where that is asked for, and else fails, before any pass", async () => {
  const wide = "kivi_overlap_2bit@g48";
  let passes = 0;
  const broken = () => void passes++;
  const reason = "a group of 48 does not divide the 64 channels of a head";
  const passed = await run([hostBuiltin(wide)], { passOver: [wide], broken });
  assertEquals([passed.results, passed.failures, passes], [[], [], 0]);
  assertEquals(passed.notApplicable.map(({ policy }) => policy), [wide]);
  assertEquals(passed.notices, passed.notApplicable.map(({ reason }) => reason));
  assertMatch(passed.notices[0]!, new RegExp(`^Policy ${wide}: not applicable: .*${reason}`));
  const failed = await run([hostBuiltin(wide)], { broken });
  assertEquals([failed.results, failed.notApplicable, passes], [[], [], 0]);
  assertMatch(failed.failures[0]!.reason, new RegExp(`^Policy ${wide}: rejected: .*${reason}`));
});
