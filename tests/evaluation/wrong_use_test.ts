/** What callers do wrong: one sentence of the right class, and nothing of it costs the others. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { InternalError, UserError } from "../../errors.ts";
import { type Lab, open, partsOf } from "../../evaluation/lab.ts";
import type { PolicyChoice } from "../../evaluation/policy_choice.ts";
import type { Question } from "../../evaluation/question.ts";
import { runSlice } from "../../evaluation/slice_run.ts";
import { hostBuiltin } from "../../policies/registry.ts";
import type { Policy, TokenStats } from "../../policies/policy.ts";
import type { Family, Store } from "../../quant/family.ts";
import { uniform } from "../../quant/families/uniform/uniform.ts";
import { Workbench } from "../../quant/gpu/workbench.ts";
import type { CpuTensor, GpuTensor, KvShape } from "../../quant/tensor.ts";
import { device } from "../quant/backends.ts";

const QUESTION = { prompt: "A machine uses 7 watts. How many joules does it use in 5 seconds?" };
const SHORT = { maxNewTokens: 2 };

const GOOD: Policy = {
  choose_bits: () => 2,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};

/** Throws as a caller's code may. */
const thrown = () => {
  throw new TypeError("no such table");
};

/** The value as a caller without types may give it. */
const untyped = (value: unknown) => value as never;

const cyclic: unknown[] = [];
cyclic.push(cyclic);

/** Policies, and how the sentence about each begins after its name. */
const FAULTY: Readonly<Record<string, readonly [policy: unknown, sentence: RegExp]>> = {
  promise: [
    { ...GOOD, choose_bits: () => Promise.reject(new Error("late")) },
    /choose_bits\(0, "key", 0\) returned a promise; expected/,
  ],
  mode: [
    { ...GOOD, calibration_mode: () => Promise.reject(new Error("late")) },
    /calibration_mode\(\) returned a promise; expected "none" or "offline"$/,
  ],
  bigint: [{ ...GOOD, choose_bits: () => 2n }, /returned 2n; expected an integer width/],
  json: [{ ...GOOD, choose_bits: () => ({ toJSON: () => 2 }) }, /returned an object; expected/],
  cycle: [{ ...GOOD, choose_bits: () => cyclic }, /returned \[\[…\]\]; expected/],
  symbol: [{ ...GOOD, choose_axis: () => Symbol("x") }, /returned a symbol; expected "channel"/],
  getter: [
    Object.defineProperty({ ...GOOD }, "choose_axis", { get: thrown, enumerable: true }),
    /cannot be made: it threw TypeError: no such table$/,
  ],
  proxy: [new Proxy(GOOD, { get: thrown }), /cannot be made: it threw TypeError: no such table$/],
  constructed: [
    class {
      constructor() {
        thrown();
      }
    },
    /cannot be made: it threw TypeError: no such table$/,
  ],
  nothing: [null, /has no method choose_bits$/],
  lacking: [{ choose_bits: () => 2 }, /has no method choose_axis$/],
  field: [
    { ...GOOD, group_size: 32 },
    /has a field group_size; expected a method that returns it$/,
  ],
  options: [
    {
      ...GOOD,
      family_options: () => Object.defineProperty({}, "x", { get: thrown, enumerable: true }),
    },
    /family_options\(0, "key"\) returned more than plain data: no such table$/,
  ],
  changing: [
    {
      ...GOOD,
      choose_bits(...given: unknown[]) {
        (given[4] as { layers: number }).layers++;
        return 2;
      },
    },
    /It threw TypeError: Cannot assign to read only property 'layers'/,
  ],
  blaming: [
    {
      ...GOOD,
      choose_bits() {
        throw new InternalError("The sum is 7");
      },
    },
    /It threw InternalError: The sum is 7$/,
  ],
};

/** A store with some members of one's own. */
function withMembers<T extends KvShape>(
  store: Store<T>,
  members: Partial<Record<keyof Store<T>, unknown>>,
): Store<T> {
  return new Proxy(store, {
    get(target, name: keyof Store<T>) {
      if (Object.hasOwn(members, name)) return members[name];
      const member = target[name];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** Opens stores of `uniform` with members of one's own. */
const storeWith =
  (members: Partial<Record<keyof Store<CpuTensor>, unknown>>): Family["openCpu"] => (...given) =>
    withMembers(uniform.openCpu(...given as Parameters<typeof uniform.openCpu>), members);

/** Families that do not keep what the interface says, and the sentence about each. */
const LYING: Readonly<Record<string, readonly [lie: Partial<Family>, sentence: RegExp]>> = {
  sizes: [
    { openCpu: storeWith({ buffers: () => [{ role: "codes", bytes: NaN }] }) },
    /buffers gave .*; expected buffers with a role, whole bytes/,
  ],
  far: [
    { openCpu: storeWith({ quantized: { from: 0, to: 1e9 } }) },
    /quantized gave .*; expected a range within \d+ tokens/,
  ],
  grows: [{ openCpu: storeWith({ grow: thrown }) }, /grow threw TypeError: no such table$/],
  settles: [
    { openCpu: storeWith({ settle: () => Promise.reject(new RangeError("late")) }) },
    /settle threw RangeError: late$/,
  ],
  infinite: [
    { openCpu: storeWith({ restore: (target: CpuTensor) => void target.data.fill(NaN) }) },
    /Layer 0 keys: what was restored of token 0 is not finite/,
  ],
  storeless: [{ openCpu: () => untyped(undefined) }, /the opened store gave undefined/],
  resolving: [{ resolve: thrown }, /resolve threw TypeError: no such table$/],
  foreign: [
    { resolve: (answers, shape) => uniform.resolve({ sinkTokens: 0, ...answers }, shape) },
    /resolve gave .*"family":"uniform".*; expected settings with family "foreign"/,
  ],
  needing: [{ needs: () => untyped(null) }, /needs gave null; expected an object/],
};

const families = Object.entries(LYING).map(([name, [lie]]): Family => ({
  ...uniform as Family,
  resolve: (answers, shape) => ({
    ...uniform.resolve({ sinkTokens: 0, ...answers }, shape),
    family: name,
  }),
  ...lie,
  name,
}));

async function quality(lab: Lab): Promise<number> {
  return (await lab.replay(QUESTION, "uniform_quant_2bit", SHORT)).numbers.quality_main;
}

Deno.test("what is wrong in one policy or family does not cost the others their numbers", async () => {
  await using lab = await open("mini", { device: "cpu", families });
  const alone = await quality(lab);
  const named = [
    ...Object.entries(FAULTY).map(([name, [policy]]) => ({ name, policy })),
    ...Object.keys(LYING).map((name) => ({
      name: `of_${name}`,
      policy: { ...GOOD, quantizer_family: () => name },
    })),
  ] as PolicyChoice[];
  const { results, failures } = await lab.replay(
    QUESTION,
    ["uniform_quant_2bit", ...named, "kivi_overlap_2bit"],
    SHORT,
  );
  assertEquals(results.map(({ policy }) => policy), ["uniform_quant_2bit", "kivi_overlap_2bit"]);
  assertEquals(results[0]!.numbers.quality_main, alone);
  const reasons = Object.fromEntries(failures.map(({ policy, reason }) => [policy, reason]));
  assertEquals(Object.keys(reasons).length, named.length);
  for (const [name, [, sentence]] of Object.entries(FAULTY)) assertMatch(reasons[name]!, sentence);
  for (const [name, [, sentence]] of Object.entries(LYING)) {
    assertMatch(reasons[`of_${name}`]!, sentence);
  }
  assertEquals(await quality(lab), alone);
});

Deno.test("an audit that fails in a family of the caller's is that policy's failure", async () => {
  const liar: Family = {
    ...families[0]!,
    name: "liar",
    resolve: (answers, shape) => ({ ...families[0]!.resolve(answers, shape), family: "liar" }),
    openCpu(...given) {
      const store = uniform.openCpu(...given as Parameters<typeof uniform.openCpu>);
      const buffers = (n: number) => store.buffers(n).map((b) => ({ ...b, bytes: 2 * b.bytes }));
      return storeWith({ buffers })(...given);
    },
  };
  await using lab = await open("mini", { device: "cpu", families: [liar] });
  const policy = { name: "own", policy: { ...GOOD, quantizer_family: () => "liar" } };
  const { results, failures } = await lab.replay(QUESTION, [policy, "reference"], {
    ...SHORT,
    audit: true,
  });
  assertEquals(results.map((result) => result.policy), ["reference"]);
  assertMatch(failures[0]!.reason, /^Policy own: rejected: Audit of policy own/);
});

Deno.test("a policy that swallows the wait for statistics is asked again with them", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const widthOf = ({ std }: TokenStats) => std > 0 ? 3 : 4;
  const swallowing = {
    ...GOOD,
    choose_bits(_layer: number, _kind: string, _head: number, stats: TokenStats) {
      try {
        return widthOf(stats);
      } catch {
        return 2;
      }
    },
  };
  assertEquals((await lab.replay(QUESTION, swallowing, SHORT)).numbers.code_bits, 3);
});

Deno.test("wrong parameters are refused before anything runs", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const replay = (what: unknown, choice: unknown = "reference", options: unknown = SHORT) => () =>
    lab.replay(untyped(what), untyped(choice), untyped(options));
  const scored = (score: unknown) => replay({ ...QUESTION, score });
  const refused: [() => Promise<unknown>, string][] = [
    [replay(QUESTION, null), "A policy is null; expected the name of a built-in"],
    [replay(QUESTION, []), "The list of policies is []; expected one at least"],
    [replay(QUESTION, { policy: GOOD }), "A policy is called undefined"],
    [replay(QUESTION, "reference", null), "The options are null"],
    [replay(QUESTION, "reference", { limit: 0 }), "The option limit is 0; expected an integer of"],
    [replay(QUESTION, "reference", { maxNewTokens: NaN }), "The option maxNewTokens is NaN"],
    [replay(QUESTION, "reference", { maxNewTokens: -1 }), "The option maxNewTokens is -1"],
    [replay(QUESTION, "reference", { budgetBits: 17 }), "expected an integer from 1 to 8"],
    [replay(QUESTION, "reference", { budgetBits: 2.5 }), "The option budgetBits is 2.5"],
    [replay(QUESTION, "reference", { seed: -1 }), "The option seed is -1"],
    [replay(QUESTION, "reference", { seeds: 0 }), "The option seeds is 0"],
    [replay(QUESTION, "reference", { signal: {} }), "expected an AbortSignal"],
    [replay(QUESTION, "reference", { progress: 7 }), "The option progress is 7"],
    [replay(QUESTION, "reference", { limits: 1 }), "There is no option limits; expected one of"],
    [replay(null), "Example 0 is null; expected an object"],
    [replay(["text"]), 'Example 0 is "text"; expected an object'],
    [replay({}), "Example 0 has the fields []; expected a prompt"],
    [replay({ prompt: 5 }), "Example 0: prompt is 5; expected text"],
    [replay({ input: "q" }), 'Example 0: the field "context" is missing'],
    [replay([]), "No example of slice examples can be run: it is empty"],
    [replay({ name: "two words", examples: [QUESTION] }), 'A slice is called "two words"'],
    [replay({ name: "own", examples: 7 }), "Slice own has 7 for examples"],
    [replay([QUESTION, { ...QUESTION, id: "prompt-0" }]), 'Two examples have the id "prompt-0"'],
    [replay({ prompt: "word ".repeat(20_000) }), "positions, the model has 8192"],
    [replay({ prompt: "word ".repeat(100_000) }), "its text of 500000 bytes is longer than 16"],
    [scored(thrown), 'The score of example "prompt-0" threw TypeError: no such table'],
    [scored(() => NaN), 'The score of example "prompt-0" is NaN; expected a number from 0 to 1'],
    [scored(() => 2), "is 2; expected a number from 0 to 1"],
    [scored(() => "1"), 'is "1"; expected a number from 0 to 1'],
    [() => lab.reference(untyped("text")), 'Example 0 is "text"; expected an object'],
    [() => lab.reference(QUESTION, 0), "The option maxNewTokens is 0"],
    [() => open(untyped(null)), "A model is null; expected mini"],
    [() => open("mini", untyped({ device: "gpu" })), 'The option device is "gpu"; expected "auto"'],
    [() => open("mini", untyped({ families: [null] })), "A quantizer family is null"],
    [
      () => open("mini", { families: [{ ...families[0]!, name: "__proto__" }] }),
      'A quantizer family is called "__proto__"',
    ],
    [
      () => open("mini", { families: [{ ...families[0]!, resolve: untyped(1) }] }),
      'Family "sizes": resolve gave 1; expected a method',
    ],
  ];
  for (const [run, sentence] of refused) {
    const error = await assertRejects(run, UserError);
    assert(error.message.includes(sentence), error.message);
  }
  assertEquals((await lab.replay({ prompt: "" }, "reference", SHORT)).numbers.quality_main, 100);
});

Deno.test("what callbacks throw comes back as it is, and the lab goes on", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const why = new Error("enough");
  const stop = () => {
    throw why;
  };
  const long: Question = { prompt: "word ".repeat(100_000) };
  assertEquals(
    await assertRejects(() => lab.replay(QUESTION, "reference", { ...SHORT, progress: stop })),
    why,
  );
  assertEquals(
    await assertRejects(() => lab.replay([QUESTION, long], "reference", { notice: stop })),
    why,
  );
  const told: string[] = [];
  assertEquals(
    await assertRejects(() =>
      lab.replay(QUESTION, { ...GOOD, calibration_mode: thrown }, {
        signal: AbortSignal.abort(why),
        notice: (sentence) => told.push(sentence),
      })
    ),
    why,
  );
  // It was not asked.
  assertEquals(told, []);
  assert(await quality(lab) < 100);
});

Deno.test("a lab that is closed has done what was asked before, and refuses the rest", async () => {
  const lab = await open("mini", { device: "cpu" });
  const kept = await lab.reference(QUESTION, 2);
  const freed = await lab.reference(QUESTION, 2);
  const reading = freed.layer(0);
  freed.free();
  freed.free();
  await assertRejects(() => freed.layer(0), UserError, "Layer 0 is freed with its reference");
  const running = quality(lab);
  await Promise.all([lab.close(), lab.close()]);
  assert((await reading).key.data.length > 0);
  assert(await running < 100);
  await lab.close();
  for (const late of [() => quality(lab), () => lab.reference(QUESTION), () => kept.layer(0)]) {
    await assertRejects(late, UserError, "This lab is closed; open the model again");
  }
  kept.free();
});

Deno.test("prompts of one token are replayed, those of none are refused", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const { model, engine, families, calibration } = partsOf(lab);
  const run = (prompt: readonly number[], stepwise: boolean) =>
    runSlice({
      slice: "short",
      engine,
      families,
      examples: [{ id: "short", dataset: "short", prompt, score: () => 1 }],
      hosts: (["reference", "uniform_quant_2bit", "hf_quanto_4bit", "squat_2bit"] as const)
        .map(hostBuiltin),
      maxNewTokens: 3,
      budgetBits: 4,
      eosIds: model.eosIds,
      decode: (ids) => model.tokenizer.decode(ids),
      stepwise,
      audit: true,
      calibration,
    });
  const [together, apart] = [await run([5], false), await run([5], true)];
  assertEquals([together.failures, together.results.length], [[], 4]);
  for (const [i, { numbers }] of together.results.entries()) {
    assert(Object.values(numbers).every(Number.isFinite));
    assertEquals(numbers.cache_error, apart.results[i]!.numbers.cache_error);
  }
  await assertRejects(() => run([], false), UserError, "its prompt has no tokens");
});

Deno.test({
  name: "families that fail on a GPU leave no buffer behind",
  ignore: device === undefined,
  async fn() {
    const failing = (name: string, members: Partial<Record<keyof Store<GpuTensor>, unknown>>) => ({
      ...families[0]!,
      name,
      resolve: ((answers, shape) => ({
        ...families[0]!.resolve(answers, shape),
        family: name,
      })) as Family["resolve"],
      openGpu: ((...given) =>
        withMembers(
          uniform.openGpu(...given as Parameters<typeof uniform.openGpu>),
          members,
        )) as Family["openGpu"],
    });
    const own: Family[] = [
      failing("grows", { grow: thrown }),
      failing("settles", { settle: () => Promise.reject(new RangeError("late")) }),
      failing("restores", { restore: thrown }),
      { ...failing("hostly", {}), openGpu: untyped(undefined) },
    ];
    await using lab = await open("mini", { device: "webgpu", families: own });
    const bench = Workbench.of(partsOf(lab).engine.gpu!);
    const alone = await quality(lab);
    const live = bench.live;
    const policies = own.map(({ name }) => ({
      name,
      policy: { ...GOOD, quantizer_family: () => name },
    }));
    const { failures } = await lab.replay(QUESTION, policies, SHORT);
    assertEquals(failures.map(({ policy }) => policy), own.map(({ name }) => name));
    assertMatch(failures[3]!.reason, /has no openGpu, so it cannot quantize on a GPU/);
    assertEquals(await quality(lab), alone);
    assertEquals(bench.live, live);
    const reference = await lab.reference(QUESTION, 2);
    const reading = reference.layer(0);
    reference.free();
    await reading;
    assertEquals(await quality(lab), alone);
    assertEquals(bench.live, live);
  },
});
