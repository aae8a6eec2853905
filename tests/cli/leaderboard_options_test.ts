import { assert, assertEquals, assertThrows } from "@std/assert";
import { sliceNames } from "../../benchmarks/slices.ts";
import { LEADERBOARD_OPTIONS, parseLeaderboardOptions } from "../../cli/leaderboard_options.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { policyNames } from "../../policies/registry.ts";

const parse = (...args: string[]) => parseLeaderboardOptions(args);

Deno.test("by default everything is run and finished cells are kept", () => {
  const options = parse()!;
  assertEquals(options.policies.toSorted(), policyNames.toSorted());
  assertEquals<unknown>({ ...options, policies: options.policies[0] }, {
    models: ["mini", "mini-outlier"],
    slices: sliceNames,
    policies: "reference",
    named: [],
    ungrouped: [],
    quantizers: [],
    trust: false,
    limits: {},
    foreign: false,
    baseline: "kivi_overlap_4bit",
    device: "auto",
    budgetBits: 4,
    seed: 0,
    resamples: 10_000,
    out: "results/leaderboard",
    fresh: false,
    cache: true,
    cacheLimit: 8 * 2 ** 30,
    quiet: false,
  });
  assertEquals(parse("--resume"), options);
});

Deno.test("every option is read", () => {
  const args = "--model mini,/data/qwen --slice needle --policy kivi_overlap_2bit " +
    "--policy uniform_quant_4bit,kivi_overlap_2bit --baseline uniform_quant_4bit --device cpu " +
    "--limit 2 --budget-bits=3 --seed 7 --resamples 500 --out board --fresh --no-cache " +
    "--cache-limit 2GiB --quiet --quantizer a.ts,b.py --python /usr/bin/python3 " +
    "--policy-step-ms 900";
  assertEquals<unknown>(parse(...args.split(" ")), {
    models: ["mini", "/data/qwen"],
    slices: ["needle"],
    policies: ["reference", "kivi_overlap_2bit", "uniform_quant_4bit"],
    named: ["kivi_overlap_2bit", "uniform_quant_4bit"],
    ungrouped: [],
    quantizers: ["a.ts", "b.py"],
    python: "/usr/bin/python3",
    trust: false,
    limits: { stepMs: 900 },
    foreign: false,
    baseline: "uniform_quant_4bit",
    device: "cpu",
    limit: 2,
    budgetBits: 3,
    seed: 7,
    resamples: 500,
    out: "board",
    fresh: true,
    cache: false,
    cacheLimit: 2 ** 31,
    quiet: true,
  });
});

Deno.test("foreign text has policies, a baseline and a folder of its own", () => {
  const { foreign, policies, baseline, out } = parse("--foreign")!;
  assertEquals<unknown>([foreign, policies, baseline, out], [
    true,
    ["adaptive", "adaptive_2bit", "adaptive_1bit"],
    "kivi_overlap_4bit",
    "results/foreign",
  ]);
  const own = parse("--foreign", "--policy=reference,kvquant_nuq4_1pct", "--out=board")!;
  assertEquals<unknown>([own.policies, own.baseline, own.out], [
    ["kvquant_nuq4_1pct"],
    "kivi_overlap_4bit",
    "board",
  ]);
});

Deno.test("models and slices may be repeated, hold several, and a path with a comma is one", async () => {
  const folder = await Deno.makeTempDir({ suffix: ",a" });
  try {
    const options = parse(
      "--model",
      "mini, x/y",
      "--model",
      folder,
      "--slice=needle",
      "--slice=needle",
    );
    assertEquals(options?.models, ["mini", "x/y", folder]);
    assertEquals(options?.slices, ["needle"]);
  } finally {
    await Deno.remove(folder);
  }
});

Deno.test("a baseline is found with the size of its groups or without", () => {
  assertEquals(parse("--group-size=64")?.baseline, "kivi_overlap_4bit@g64");
  const args = ["--group-size=32,64", "--policy=squat_2bit,squat_4bit"];
  assertEquals(parse(...args)?.baseline, "squat_2bit@g32");
  assertEquals(parse(...args, "--baseline=squat_4bit")?.baseline, "squat_4bit@g32");
  assertEquals(parse(...args, "--baseline=squat_4bit@g64")?.baseline, "squat_4bit@g64");
});

Deno.test("without the usual baseline the first policy takes its place", () => {
  assertEquals(parse("--policy=uniform_quant_2bit")?.baseline, "uniform_quant_2bit");
  assertEquals(parse("--policy=reference")?.baseline, "reference");
});

Deno.test("a quantizer of the user's may be the baseline", () => {
  assertEquals(parse("--quantizer=x/mine.ts", "--baseline=mine")?.baseline, "mine");
});

Deno.test("help is asked for", () => {
  assertEquals([parse("--help"), parse("-h", "--limit", "2")], [undefined, undefined]);
});

const wrong: readonly (readonly [string, ...string[]])[] = [
  ["--wat", "Unknown option --wat", "--model", "--fresh"],
  ["mini", 'Unexpected argument "mini"'],
  ["--slice=wikitext", 'Unknown slice "wikitext"', "expected longbench, needle"],
  ["--policy=best", 'Unknown policy "best"', "kivi_overlap_4bit"],
  ["--baseline=best", 'Unknown baseline "best"', "kivi_overlap_4bit"],
  ["--policy=reference --baseline=kivi_overlap_2bit", "not among the policies to run"],
  ["--quantizer=x/kivi_overlap_4bit.ts", "name of the built-in kivi_overlap_4bit", "another"],
  ["--quantizer=x/a.ts,y/a.ts", "would both be reported as a"],
  ["--foreign --quantizer=a.ts", "--quantizer a.ts has no goal on foreign text", "leave it out"],
  ["--device=tpu", 'Unknown device "tpu"', "auto, webgpu, webgpu-onnx, cpu or wasm"],
  ["--model=,", "--model needs a value, as in --model mini"],
  ["--models=mini", "There is no option --models any more; give --model"],
  ["--slices needle", "There is no option --slices any more; give --slice"],
  ["--seed=1 --seed 2", '--seed is given 2 times, "1" and "2"; this command takes one'],
  ["--limit=0", '--limit must be an integer of at least 1, got "0"'],
  ["--limit=1.5", 'got "1.5"'],
  ["--budget-bits=9", 'from 1 to 8, got "9"'],
  ["--resamples=1", "--resamples must be an integer from 100"],
  ["--fresh --resume", "give one of them"],
  ["--out=", "--out needs a value"],
];

Deno.test("a mistake is one sentence that says what would be right", () => {
  for (const [args, ...said] of wrong) {
    const { message } = assertThrows(() => parse(...args.split(" ")), UsageError) as Error;
    for (const words of said) assert(message.includes(words), `${args}: ${message}`);
    assert(!message.includes("\n"));
  }
});

Deno.test("the table holds what is parsed", () => {
  for (const [name, row] of Object.entries(LEADERBOARD_OPTIONS)) {
    if (name === "help" || "value" in row) continue;
    assert(parse(`--${name}`) !== undefined, name);
  }
});
