/** The door: what may be asked, who answers, and what it costs the others. */
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { UserError } from "../../errors.ts";
import { uniform } from "../../quant/families/uniform/uniform.ts";
import { QuantizerError } from "../../quant/quantizer_error.ts";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import { renderPrompt } from "../../benchmarks/datasets.ts";
import { loadSlice } from "../../benchmarks/slices.ts";
import { open } from "../../evaluation/lab.ts";
import type { PolicyResult } from "../../evaluation/results.ts";
import { PolicyError } from "../../policies/check.ts";
import type { CalibrationStatistics } from "../../policies/calibration_statistics.ts";
import type { Policy } from "../../policies/policy.ts";
import { tiny } from "../quant/tiny_family.ts";

const [example, second] = await loadSlice("reasoning");

/** What is learned offline is learned once for the tests of this file. */
const cache = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
Deno.test.afterAll(() => Deno.remove(cache, { recursive: true }));

/** Two bits everywhere, in one family. */
const twoBits = (family: string): Policy => ({
  quantizer_family: () => family,
  choose_bits: () => 2,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
});

/** The numbers without the timings. */
function untimed({ numbers }: PolicyResult) {
  const { decode_tokens_per_s: _d, prefill_latency_ms: _p, calibration_cost_s: _c, ...rest } =
    numbers;
  return rest;
}

Deno.test("one policy gives its result, several share references and give all", async () => {
  await using lab = await open("mini", { device: "cpu", cache });
  const told: [number, number, string][] = [];
  const both = await lab.replay([example!, second!], ["reference", "kivi_overlap_2bit"], {
    maxNewTokens: 4,
    progress: (...work) => told.push(work),
  });
  assertEquals(both.results.map(({ policy }) => policy), ["reference", "kivi_overlap_2bit"]);
  // Two references, and two examples under two policies.
  assertEquals(told.at(-1), [6, 6, "done"]);
  assertEquals(told.filter(([, , what]) => what.endsWith(" reference")).length, 4);
  const alone = await lab.replay([example!, second!], "kivi_overlap_2bit", { maxNewTokens: 4 });
  assertEquals(untimed(alone), untimed(both.results[1]!));
  assertEquals(alone.outcomes.map(({ id }) => id), [example!.id, second!.id]);
  assertEquals(alone.outcomes[0]!.steps.map(({ step }) => step), [0, 1, 2, 3]);
  const one = await lab.replay(example!, "kivi_overlap_2bit", { maxNewTokens: 4 });
  assertEquals(one.outcomes[0]!.steps, alone.outcomes[0]!.steps);
  const limited = await lab.replay("reasoning", "reference", { limit: 1, maxNewTokens: 2 });
  assertEquals([limited.numbers.examples, limited.numbers.steps], [1, 2]);
});

Deno.test("a policy learns from texts of one's own, of each kind in turn, and says from what", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    const path = `${folder}/mine.jsonl`;
    const lines = ["prose", "prose", "code"].map((kind, i) => ({
      kind,
      prompt: `Tell me of ${kind} number ${i}. `.repeat(8),
      target: `This is what there is to say of ${kind}, as far as it is known today.`,
    }));
    await Deno.writeTextFile(path, lines.map((line) => JSON.stringify(line)).join("\n"));
    const notices: string[] = [];
    const run = async (options: { calibrationTokens?: number }) => {
      await using lab = await open("mini", {
        device: "cpu",
        calibrationData: path,
        ...options,
        notice: (sentence) => notices.push(sentence),
      });
      const policies = ["kivi_overlap_2bit", "skvq_full_2bit"] as const;
      const { results } = await lab.replay(example!, policies, { maxNewTokens: 2 });
      assertEquals(results[0]!.calibration, []);
      return results[1]!.calibration;
    };
    const [all] = await run({});
    assertEquals(all!.samples, 3);
    assertEquals(notices.filter((sentence) => sentence.includes("texts")), []);
    const [cut] = await run({ calibrationTokens: all!.tokens - 1 });
    assertEquals(cut!.samples, 2);
    assertNotEquals(cut!.sha256, all!.sha256);
    assertEquals(
      notices.filter((sentence) => sentence.includes("texts")),
      [
        `Calibration uses 2 of 3 texts, of each kind in turn: more would exceed ${
          all!.tokens - 1
        } tokens`,
      ],
    );
    await assertRejects(
      () => open("mini", { device: "cpu", calibrationData: `${folder}/none.txt` }),
      UserError,
      "There is no calibration data",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a GGUF file is a model like any other, and a folder may give its tokenizer", async () => {
  const path = fileURLToPath(new URL("../golden/gguf/llama.gguf", import.meta.url));
  const tokenizer = fileURLToPath(new URL("../golden/model/sharded-bf16", import.meta.url));
  const question = { prompt: "What does it cost to quantize a cache?" };
  const asked = { maxNewTokens: 3 };
  await using lab = await open(path, { device: "cpu" });
  const own = await lab.replay(question, "reference", asked);
  assertEquals([own.numbers.quality_main, own.numbers.steps], [100, 3]);
  await using other = await open(path, { device: "cpu", tokenizer });
  assertNotEquals(other.fingerprint, lab.fingerprint);
});

Deno.test("a reply is told as text, and a prompt without a score is judged by the reference's", async () => {
  await using lab = await open("mini", { device: "cpu", cache });
  const question = { prompt: renderPrompt(example!), id: "mine" };
  const { outcomes: [exact] } = await lab.replay(question, "reference");
  assertEquals(exact!.reply, exact!.referenceReply);
  assertEquals([exact!.id, exact!.score, exact!.referenceScore], ["mine", 1, 1]);
  using reference = await lab.reference(question);
  assertEquals(reference.reply, exact!.reply);
  const scored = { ...question, score: (reply: string) => reply === "" ? 1 : 0.25 };
  const { outcomes: [own] } = await lab.replay(scored, "reference");
  assertEquals([own!.score, own!.referenceScore], [0.25, 0.25]);
});

Deno.test("a family of one's own is a name that a policy may return", async () => {
  let opened = 0;
  const mine: typeof uniform = {
    ...uniform,
    name: "mine",
    source: "this test",
    openCpu(...given) {
      opened++;
      return uniform.openCpu(...given);
    },
  };
  await using lab = await open("mini", { device: "cpu", cache, families: [mine] });
  const options = { maxNewTokens: 3, audit: true };
  const own = await lab.replay(example!, { name: "own", policy: twoBits("mine") }, options);
  assert(opened > 0);
  const known = await lab.replay(example!, twoBits("uniform"), options);
  assertEquals(untimed(own), untimed(known));
  assertEquals([own.policy, known.policy], ["own", "policy"]);
  assertEquals(own.audit?.tensors.map(({ family }) => family).slice(0, 2), ["mine", "mine"]);
  await assertRejects(
    () => lab.replay(example!, twoBits("yours")),
    PolicyError,
    'returned "yours"; expected one of uniform, kivi,',
  );
  await assertRejects(
    () => lab.replay(example!, twoBits("exact")),
    PolicyError,
    'returned "exact"; expected one of uniform, kivi,',
  );
  await assertRejects(
    () => open("mini", { families: [{ ...mine, name: "kivi" }] }),
    QuantizerError,
    'There is a quantizer family "kivi" already',
  );
});

Deno.test("a family of one's own has hooks, options, statistics and takes a lesson", async () => {
  await using lab = await open("mini", { device: "cpu", cache, families: [tiny] });
  const policy = {
    ...twoBits("tiny"),
    choose_bits: () => 4,
    calibration_mode: () => "offline" as const,
    calibrate({ families }: CalibrationStatistics) {
      return { reach: (families.tiny as { largest: number[] }).largest };
    },
    sink_tokens: () => 4,
    group_size: () => 32,
  };
  const options = { maxNewTokens: 3, audit: true };
  const taught = await lab.replay(example!, { name: "taught", policy }, options);
  assertEquals([taught.ignoredHooks, taught.remarks], [["group_size (tiny)"], []]);
  assertEquals(taught.numbers.code_bits, 4);
  const { calibrate: _, ...alone } = policy;
  const untaught = await lab.replay(example!, { name: "untaught", policy: alone }, options);
  // Steps that reach no further than the entries do are the finer ones.
  assertNotEquals(untimed(taught), untimed(untaught));
  const fixed = { ...alone, family_options: () => ({ reach: 4 }) };
  const same = await lab.replay(example!, { name: "fixed", policy: fixed }, options);
  assertEquals(untimed(same), untimed(untaught));
  const wrong = { ...alone, family_options: () => ({ reach: -4 }) };
  await assertRejects(
    () => lab.replay(example!, { name: "wrong", policy: wrong }, options),
    PolicyError,
    'option "reach" is -4; it must be a finite number above 0',
  );
});

Deno.test("a lesson reaches transform as the option does, and other families are told not to use it", async () => {
  await using lab = await open("mini", { device: "cpu", cache });
  const { layers, kvHeads, headDim } = lab.shape;
  const steps = Array.from({ length: kvHeads * headDim }, (_, i) => i < 40 ? 0.5 : "absent");
  const run = (name: string, family: string, more: Partial<Policy>) => {
    const offline = { choose_bits: () => 4, calibration_mode: () => "offline" as const };
    const policy = { ...twoBits(family), ...offline, ...more };
    return lab.replay(example!, { name, policy }, { maxNewTokens: 2 });
  };
  const lesson = new Array(layers).fill({ key: steps, value: steps });
  const taught = await run("taught", "transform", { calibrate: () => lesson });
  const told = await run("told", "transform", { family_options: () => ({ steps }) });
  assertEquals(taught.remarks, []);
  assertEquals(untimed(taught), untimed(told));
  await assertRejects(
    () => run("wrong", "transform", { calibrate: () => ({ steps }) }),
    PolicyError,
    "what calibrate returned for it has no array; expected one step for each of 128 components",
  );
  const untaught = await run("untaught", "kvtuner", {
    calibrate: () => lesson,
    ...{ group_sizes: () => 32 },
  });
  assertEquals(untaught.remarks, [
    'its method "group_sizes" is no hook; did you mean group_size?',
    "what its calibrate returned was not used by kvtuner",
  ]);
});

Deno.test("classes and built-ins are made afresh, and runs of one lab wait for each other", async () => {
  await using lab = await open("mini", { device: "cpu", cache });
  let made = 0;
  class Counted implements Policy {
    #asked = 0;
    constructor() {
      made++;
    }
    choose_bits() {
      // An object that two runs share would go on counting.
      return this.#asked++ < 16 ? 2 : 4;
    }
    choose_axis() {
      return "token" as const;
    }
    residual_length() {
      return 0;
    }
    calibration_mode() {
      return "none" as const;
    }
  }
  const run = () => lab.replay(example!, Counted, { maxNewTokens: 2 });
  const [first, again] = await Promise.all([run(), run()]);
  assertEquals(made, 2);
  assertEquals(first.policy, "Counted");
  assertEquals(untimed(first), untimed(again));
  const budgets = [4, 2].map((budgetBits) =>
    lab.replay(example!, "qaq_attention", { budgetBits, maxNewTokens: 2 })
  );
  const [four, two] = await Promise.all(budgets);
  assertNotEquals(untimed(four!), untimed(two!));
  const alone = await lab.replay(example!, "qaq_attention", { budgetBits: 4, maxNewTokens: 2 });
  assertEquals(untimed(four!), untimed(alone));
});

Deno.test("what cannot be run is refused in one sentence", async () => {
  await using lab = await open("mini", { device: "cpu", cache });
  const same = [twoBits("uniform"), { name: "policy", policy: twoBits("kivi") }];
  for (
    const [run, type, sentence] of [
      [() => lab.replay("no_slice" as "needle", "reference"), BenchmarkError, "longbench, needle"],
      [() => lab.replay(example!, "adaptiv" as "adaptive"), PolicyError, '"adaptiv"; choose one'],
      [() => lab.replay(example!, same), PolicyError, "Two policies are called policy"],
      [
        () => lab.replay(example!, { name: "adaptive", policy: twoBits("kivi") }),
        PolicyError,
        "has the name of the built-in adaptive",
      ],
      [
        () => lab.replay(example!, { name: "two words", policy: twoBits("kivi") }),
        PolicyError,
        'is called "two words"',
      ],
      [
        () => lab.replay(example!, { choose_bits: () => 2 } as unknown as Policy),
        PolicyError,
        "has no method choose_axis",
      ],
      [() => lab.replay(example!, "reference", { maxNewTokens: 1e6 }), PolicyError, "positions"],
      [() => lab.reference(example!, 1e6), PolicyError, "positions"],
    ] as const
  ) {
    const error = await assertRejects(run, type);
    assert(error.message.includes(sentence), error.message);
  }
});

Deno.test("a policy that fails costs the others nothing, and alone it rejects", async () => {
  await using lab = await open("mini", { device: "cpu", cache });
  const wide = { name: "wide", policy: { ...twoBits("uniform"), choose_bits: () => 8 } };
  const { results, failures } = await lab.replay(example!, [wide, "reference"], {
    maxNewTokens: 2,
  });
  assertEquals(results.map(({ policy }) => policy), ["reference"]);
  assertEquals(failures.map(({ policy }) => policy), ["wide"]);
  assertMatch(failures[0]!.reason, /over the budget of 4/);
  await assertRejects(() => lab.replay(example!, wide), PolicyError, "over the budget of 4");
  const { numbers } = await lab.replay(example!, wide, { budgetBits: 8, maxNewTokens: 2 });
  assertEquals(numbers.code_bits, 8);
});

Deno.test("what a policy of the caller's throws is that policy's failure, with its cause", async () => {
  await using lab = await open("mini", { device: "cpu", cache });
  const why = new TypeError("no such table");
  const thrown = () => {
    throw why;
  };
  const offline = () => "offline" as const;
  const faulty = [
    { name: "asked", policy: { ...twoBits("uniform"), choose_bits: thrown } },
    { name: "mode", policy: { ...twoBits("uniform"), calibration_mode: thrown } },
    {
      name: "taught",
      policy: { ...twoBits("uniform"), calibration_mode: offline, calibrate: thrown },
    },
  ];
  const { results, failures } = await lab.replay(example!, [...faulty, "reference"], {
    maxNewTokens: 1,
  });
  assertEquals(results.map(({ policy }) => policy), ["reference"]);
  assertEquals(failures.map(({ policy }) => policy).toSorted(), ["asked", "mode", "taught"]);
  for (const { reason } of failures) assertMatch(reason, /It threw TypeError: no such table$/);
});

Deno.test("a run ends where its signal says, and the lab goes on", async () => {
  await using lab = await open("mini", { device: "cpu", cache });
  const stop = new AbortController();
  const why = new Error("enough");
  const run = lab.replay("reasoning", "kivi_overlap_2bit", {
    maxNewTokens: 2,
    signal: stop.signal,
    progress: (done) => done > 2 && stop.abort(why),
  });
  assertEquals(await assertRejects(() => run), why);
  const { numbers } = await lab.replay(example!, "reference", { maxNewTokens: 1 });
  assertEquals(numbers.quality_main, 100);
});

Deno.test("a reference shows tokens, logits and the tensors of every layer", async () => {
  await using lab = await open("mini", { device: "cpu", cache });
  using reference = await lab.reference(example!, 5);
  const { layers, kvHeads, queryHeads, headDim, vocab } = lab.shape;
  assertEquals(reference.tokens.length, 5);
  assertEquals(reference.logits.length, 5 * vocab);
  const row = reference.logits.subarray(0, vocab);
  assertEquals(row.indexOf(Math.max(...row)), reference.tokens[0]);
  const tokens = reference.prompt.length - 1 + 5;
  const { key, value, preRopeKey, query } = await reference.layer(layers - 1);
  for (const [tensor, heads] of [[key, kvHeads], [value, kvHeads], [query, queryHeads]] as const) {
    assertEquals([tensor.heads, tensor.capacity, tensor.headDim], [heads, tokens, headDim]);
    assert(tensor.data.every(Number.isFinite) && tensor.data.some((x) => x !== 0));
  }
  // The first position is not turned; later ones are.
  assertEquals(preRopeKey.data.subarray(0, headDim), key.data.subarray(0, headDim));
  assertNotEquals(
    preRopeKey.data.subarray(headDim, 2 * headDim),
    key.data.subarray(headDim, 2 * headDim),
  );
  await assertRejects(() => reference.layer(layers), PolicyError, `There is no layer ${layers}`);
});
