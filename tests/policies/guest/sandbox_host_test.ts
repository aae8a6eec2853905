import { builtInFamilies } from "../../../quant/registry.ts";
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { builtinSource } from "../../../bench/sandbox/builtin_source.ts";
import { miniQuestion } from "../../../bench/sandbox/questions.ts";
import type { StepQuestion } from "../../../policies/ask.ts";
import { PolicyError } from "../../../policies/check.ts";
import { InProcessHost, type PolicyHost } from "../../../policies/host.ts";
import { StatsNotLoaded } from "../../../policies/plan.ts";
import type { BudgetState, Policy, WorkloadMeta } from "../../../policies/policy.ts";
import { hostBuiltin, type PolicyName, policyNames } from "../../../policies/registry.ts";
import { policyOf } from "../../../sandbox/default_export.ts";
import { SandboxError } from "../../../sandbox/sandbox_error.ts";
import { SandboxHost } from "../../../policies/guest/sandbox_host.ts";
import type { SandboxLimits } from "../../../sandbox/limits.ts";
import { Calibrator } from "../../../calibration/calibrator.ts";
import { SyntheticEngine } from "../../engine/synthetic_engine.ts";
import { numbersOf, tinyRun } from "../../sandbox/tiny_run.ts";

const WORKLOAD: WorkloadMeta = {
  slice: "tiny",
  examples: 3,
  mean_prompt_tokens: 100.5,
  max_prompt_tokens: 200,
  model: {
    layers: 8,
    query_heads: 4,
    kv_heads: 2,
    head_dim: 64,
    hidden_size: 256,
    vocab_size: 2048,
  },
};
const BUDGET: BudgetState = miniQuestion(0).budget;

/** Statistics of a model of the same shape as the questions' one. */
async function calibrationStatistics() {
  const engine = new SyntheticEngine({ layers: 8, headDim: 64 });
  const samples = [{ ids: Array.from({ length: 40 }, (_, i) => i % 10), reply: 4 }];
  return (await new Calibrator({ engine, families: builtInFamilies, samples }).statistics()).value;
}

function open(text: string, limits: Partial<SandboxLimits> = {}): Promise<SandboxHost> {
  return SandboxHost.open({ name: "mine", text, language: "ts" }, { limits });
}

/** A policy with some methods of its own. */
const policyText = (methods: string) =>
  `export default {
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
  ${methods}
};`;

/** Full precision is for the built-in alone; a policy of several files is none that a user could give. */
const NOT_AS_A_FILE: readonly PolicyName[] = ["reference", "kvtuner_kivi"];

for (const name of policyNames.filter((builtin) => !NOT_AS_A_FILE.includes(builtin))) {
  Deno.test(`the built-in ${name} answers in the sandbox as it does in process`, async () => {
    const inside = hostBuiltin(name);
    await using boxed = await SandboxHost.open(await builtinSource(name));
    assertEquals(boxed.hooks, inside.hooks);
    assertEquals(boxed.calibrates, inside.calibrates);
    assertEquals(boxed.outsideBudget, inside.outsideBudget);
    assertEquals(boxed.remarks, inside.remarks);
    const mode = await inside.calibrationMode(WORKLOAD, BUDGET);
    assertEquals(await boxed.calibrationMode(WORKLOAD, BUDGET), mode);
    if (mode === "offline" && inside.calibrates) {
      const statistics = await calibrationStatistics();
      assertEquals(await boxed.calibrate(statistics), await inside.calibrate(statistics));
    }
    for (let step = 0; step < 6; step++) {
      const question = miniQuestion(step);
      assertEquals(await boxed.plan(question), await inside.plan(question));
    }
    assertEquals(boxed.readsStats, inside.readsStats);
    await boxed.verifyDeterminism();
  });
}

Deno.test("a policy that reads everything answers in the sandbox as it does in process", async () => {
  const text = policyText(`
    choose_bits(layer, kind, head, stats, budget) {
      const all = Object.values(stats).reduce((sum, x) => sum + (x ?? 0.5), 0);
      return all + budget.used_bits + layer + head + kind.length;
    },
    residual_length: (layer, request) => layer * request.cache_tokens + request.slice.length,
    family_options: (layer, kind, request) => ({
      request, kind, list: [null, true, -0, 1e-320, Number.MAX_VALUE], $: { $: "$" }, "ключ": "🔑",
    }),
    bit_range: (layer, kind, request, budget) => [budget.step, NaN],
    clip_ratio: () => undefined,
    symmetric: () => Infinity,
  `);
  const module = await import(`data:application/javascript,${encodeURIComponent(text)}`);
  const inside = new InProcessHost("mine", policyOf(module.default) as Policy);
  await using boxed = await open(text);
  // The sandbox is asked again when it turns out that statistics are read; so is the other here.
  const first: StepQuestion = {
    ...miniQuestion(0),
    stats: () => {
      throw new StatsNotLoaded();
    },
  };
  await assertRejects(async () => await boxed.plan(first), StatsNotLoaded);
  assert(boxed.readsStats);
  for (let step = 0; step < 4; step++) {
    assertEquals(await boxed.plan(miniQuestion(step)), await inside.plan(miniQuestion(step)));
  }
});

Deno.test("statistics are sent only of the kind that is read, once that is known", async () => {
  await using host = await open(policyText(`
    choose_bits: (layer, kind, head, stats) => kind === "value" && stats.max > 8.5 ? 2 : 4,
  `));
  const asked: string[] = [];
  const counting = (step: number): StepQuestion => ({
    ...miniQuestion(step),
    stats: (layer, kind, head) => {
      asked.push(kind);
      return miniQuestion(step).stats(layer, kind, head);
    },
  });
  const answers = await host.plan(counting(0));
  assertEquals(new Set(asked), new Set(["value"]));
  assertEquals(asked.length, 16);
  assertEquals(answers[0]?.bits, [4, 4]);
  assert(answers.some(({ bits }) => bits.includes(2)));
  await host.plan(counting(1));
  assertEquals(asked.length, 32);
});

Deno.test("a policy that swallows the absence of statistics is asked again all the same", async () => {
  await using host = await open(policyText(`
    choose_bits(layer, kind, head, stats) {
      try { return stats.tokens === 1499 ? 3 : 2; } catch { return 1; }
    },
  `));
  assertEquals((await host.plan(miniQuestion(0)))[0]?.bits, [3, 3]);
});

const TYPESCRIPT = `
  import type { Policy } from "@kvreplay/kvreplay";
  import { type BudgetState } from "./mod.ts";
  import { KvKind, RequestMeta } from "../policies/policy.ts";
  enum Width { Narrow = 2, Wide = 4 }
  abstract class Base {
    constructor(protected readonly window: number) {}
    abstract choose_bits(layer: number, kind: KvKind): number;
  }
  export default class Mine extends Base implements Partial<Policy> {
    #asked = 0;
    constructor() { super(16); }
    choose_bits(layer: number, kind: KvKind): number {
      this.#asked++;
      return (kind === "key" ? Width.Wide : Width.Narrow) as number;
    }
    choose_axis = (_layer: number) => "token" as const;
    residual_length(_layer: number, request: RequestMeta): number {
      return Math.min(this.window, request.cache_tokens!);
    }
    calibration_mode(_workload: unknown, budget: BudgetState): "none" | "offline" {
      return budget.budget_bits satisfies number > 8 ? "offline" : "none";
    }
  }
`;

Deno.test("TypeScript is taken as it is: type imports, enums, classes with private fields", async () => {
  await using host = await open(TYPESCRIPT);
  assertEquals(await host.calibrationMode(WORKLOAD, BUDGET), "none");
  const answers = await host.plan(miniQuestion(0));
  assertEquals(answers.map(({ bits }) => bits[0]), Array.from({ length: 8 }, () => [4, 2]).flat());
  assertEquals(answers[0]?.residual, 16);
});

Deno.test("plain JavaScript is taken as it is, in either kind of export", async () => {
  const methods = `{
    choose_bits() { return this.bits ?? 4 }
    choose_axis() { return "token" }
    residual_length() { return 0 }
    calibration_mode() { return "none" }
  }`;
  for (
    const text of [`export default class ${methods}`, `class P ${methods}; export default new P()`]
  ) {
    await using host = await SandboxHost.open({ name: "js", text, language: "js" });
    assertEquals((await host.plan(miniQuestion(0)))[0]?.bits, [4, 4]);
  }
});

Deno.test("calibrate may take its time, await, and return typed arrays", async () => {
  await using host = await open(policyText(`
    calibration_mode: () => "offline",
    async calibrate(samples) {
      await null;
      const widths = samples.layers.map((layer) => Promise.resolve(layer.key.length));
      return { widths: await Promise.all(widths), table: Float32Array.of(0.5, 1.5), none: undefined };
    },
  `));
  assertEquals(await host.calibrationMode(WORKLOAD, BUDGET), "offline");
  assertEquals(await host.calibrate(await calibrationStatistics()), {
    widths: [2, 2, 2, 2, 2, 2, 2, 2],
    table: [0.5, 1.5],
    none: undefined,
  });
});

Deno.test("calibrate that throws or never ends is told so", async () => {
  const statistics = await calibrationStatistics();
  const failing = async (method: string) => {
    await using host = await open(policyText(method), { calibrateMs: 500 });
    const error = await assertRejects(() => host.calibrate(statistics), SandboxError);
    await assertRejects(async () => await host.plan(miniQuestion(0)), SandboxError);
    return error.message;
  };
  assertEquals(
    await failing(`async calibrate() { await null; throw new Error("no") }`),
    "rejected: calibrate() threw Error: no",
  );
  assertEquals(
    await failing(`calibrate: () => new Promise(() => {})`),
    "timed out: No answer to calibrate() within 0.5 s",
  );
});

Deno.test("what calibrate is given must fit into the sandbox", async () => {
  await using host = await open(policyText(""), { memoryMib: 32 });
  const statistics = await calibrationStatistics();
  const many = { ...statistics, layers: Array(80).fill(statistics.layers[0]) };
  const error = await assertRejects(() => host.calibrate(many), PolicyError);
  assertMatch(error.message, /^What calibrate is given takes more than a quarter of .* 32 MiB/);
});

Deno.test("answers of the wrong type keep their type", async () => {
  const returned: Record<string, unknown> = {
    "NaN": NaN,
    "-Infinity": -Infinity,
    "undefined": undefined,
    "null": null,
    "10n ** 30n": 10n ** 30n,
    "'four'": "four",
    "[[4], {}]": [[4], {}],
  };
  for (const [expression, value] of Object.entries(returned)) {
    await using host = await open(policyText(`choose_axis: () => (${expression})`));
    assertEquals((await host.plan(miniQuestion(0)))[0]?.axis, value);
  }
  await using host = await open(policyText(`choose_axis: () => () => 4, residual_length: Symbol`));
  const [answer] = await host.plan(miniQuestion(0));
  assertEquals([typeof answer?.axis, typeof answer?.residual], ["function", "symbol"]);
});

Deno.test("a policy that cannot be one is refused in one sentence", async () => {
  const refused: Record<string, string> = {
    "export default {": "rejected: It cannot be loaded: SyntaxError: Unexpected token",
    "export const policy = {};": "rejected: It cannot be loaded: it has no default export",
    "export default 7;": "rejected: It cannot be loaded: its default export is a number",
    "export default null;": "rejected: It cannot be loaded: its default export is null",
    "export default () => 4;": "rejected: Its constructor threw TypeError",
    "export default class { constructor() { throw new Error('no') } }":
      "rejected: Its constructor threw Error: no",
    "export default {};": 'Policy "mine" has no method choose_bits',
    "null.x; export default {};":
      "rejected: It cannot be loaded: TypeError: Cannot read properties",
    "throw 5;": "rejected: It cannot be loaded: ",
  };
  for (const [text, sentence] of Object.entries(refused)) {
    const error = await assertRejects(() => open(text), PolicyError);
    assertEquals(error.message.slice(0, sentence.length), sentence);
    assert(!error.message.includes("\n"));
  }
});

Deno.test("a policy file that is too long is not sent at all", async () => {
  const error = await assertRejects(
    () => open(`// ${"x".repeat(2000)}`, { messageBytes: 1024 }),
    PolicyError,
  );
  assertEquals(error.message, 'Policy "mine" has 2003 bytes; at most 1024 are loaded');
});

Deno.test("a policy that differs from run to run is reported, in calibrate and in plans", async () => {
  const differs = async (method: string, ask: (host: PolicyHost) => Promise<unknown>) => {
    await using host = await open(policyText(method));
    await ask(host);
    const error = await assertRejects(() => host.verifyDeterminism(), SandboxError);
    return error.message;
  };
  const statistics = await calibrationStatistics();
  assertEquals(
    await differs("calibrate: () => Math.random()", (host) => host.calibrate(statistics)),
    "not deterministic: Asked for calibrate() a second time in a fresh process, it answered differently",
  );
  assertMatch(
    await differs(
      "choose_bits: (layer, kind, head) => layer === 7 ? Date.now() % 1e6 : 4",
      async (host) => await host.plan(miniQuestion(3)),
    ),
    /^not deterministic: Asked for the plan of step 3 a second time/,
  );
});

Deno.test("a policy that remembers is deterministic, and measured as in process", async () => {
  const text = policyText(`
    plans: 0,
    choose_bits(layer, kind, head, stats, budget) {
      if (layer === 0 && kind === "key" && head === 0) this.plans++;
      return this.plans % 2 === 0 ? 4 : 2;
    },
  `);
  const module = await import(`data:application/javascript,${encodeURIComponent(text)}`);
  await using host = await open(text);
  const inside = new InProcessHost("inside", policyOf(module.default) as Policy);
  const result = await tinyRun([host, inside]);
  assertEquals(result.failures, []);
  assertEquals(numbersOf(result, "mine"), numbersOf(result, "inside"));
  assertNotEquals(numbersOf(result, "mine").code_bits, 4);
});

Deno.test("methods that nothing asks for are told as in process", async () => {
  await using host = await open(`export default class Mine {
    choose_bits() { return 4; }
    choose_axis() { return "token"; }
    residual_length() { return 0; }
    calibration_mode() { return "none"; }
    group_sizes() { return 32; }
    widthOf() { return 2; }
    _half() { return 1; }
    get never() { throw new Error("a getter must not run"); }
  }`);
  assertEquals(host.remarks, [
    'its method "group_sizes" is no hook; did you mean group_size?',
    'nothing asks for its method "widthOf"; a name that begins with _ marks a helper',
  ]);
});
