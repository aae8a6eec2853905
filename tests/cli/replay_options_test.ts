import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { sliceNames } from "../../benchmarks/slices.ts";
import { OPTIONS, valueOptions } from "../../cli/option_table.ts";
import { parseReplayOptions } from "../../cli/replay_options.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { defaultPolicies, policyNames } from "../../policies/registry.ts";

const parse = (...args: string[]) => parseReplayOptions("needle", args);

const defaults = {
  slices: ["needle"],
  policies: defaultPolicies,
  named: [],
  ungrouped: [],
  quantizers: [],
  trust: false,
  limits: {},
  dataLimits: { lineBytes: 16 * 2 ** 20, answers: 1000 },
  bytesPerPosition: 16,
  model: "mini",
  device: "auto",
  precision: "float32",
  budgetBits: 4,
  seed: 0,
  seeds: 1,
  generate: false,
  stepwise: false,
  audit: false,
  cache: true,
  cacheLimit: 8 * 2 ** 30,
  quiet: false,
};

Deno.test("defaults", () => {
  assertEquals<unknown>(parse(), defaults);
  assertEquals(parseReplayOptions("all", [])?.slices, sliceNames);
});

Deno.test("every option is read", () => {
  const args =
    "--policy reference,kivi_overlap_2bit --quantizer a.ts,b.ts --group-size 64 --model mini-outlier --tokenizer ./t --data x.jsonl " +
    "--device wasm --limit 3 --max-new-tokens=9 --budget-bits 8 --seed 7 --seeds 5 --out results " +
    "--mode generate --stepwise --audit --no-cache --cache-limit 1.5MB --quiet --trust --python ./bin/python --calibration c.json --policy-step-ms 500 " +
    "--policy-calibrations 1 --policy-held-mib 2 --policy-work-ms 3 --data-line-bytes 4 " +
    "--data-answers 5 --text-bytes 6 --calibration-data mine.jsonl --calibration-tokens 4096";
  assertEquals<unknown>(parse(...args.split(" ")), {
    slices: ["needle"],
    policies: ["reference", "kivi_overlap_2bit@g64"],
    named: ["reference", "kivi_overlap_2bit@g64"],
    ungrouped: [],
    quantizers: ["a.ts", "b.ts"],
    python: "./bin/python",
    trust: true,
    limits: { stepMs: 500, calibrations: 1, heldMib: 2, workMs: 3 },
    dataLimits: { lineBytes: 4, answers: 5 },
    bytesPerPosition: 6,
    calibration: "c.json",
    calibrationData: "mine.jsonl",
    calibrationTokens: 4096,
    model: "mini-outlier",
    tokenizer: "./t",
    data: "x.jsonl",
    device: "wasm",
    limit: 3,
    maxNewTokens: 9,
    precision: "float32",
    budgetBits: 8,
    seed: 7,
    seeds: 5,
    out: "results",
    generate: true,
    stepwise: true,
    audit: true,
    cache: false,
    cacheLimit: 1_500_000,
    quiet: true,
  });
});

Deno.test("policies keep their order, each once; all means every built-in", () => {
  assertEquals(parse("--policy", "kivi_overlap_2bit, reference,reference")?.policies, [
    "kivi_overlap_2bit",
    "reference",
  ]);
  assertEquals(parse("--policy=reference", "--policy", "all")?.policies, policyNames);
});

Deno.test("quantizers are files, each once, under names of their own", () => {
  const files = (...args: string[]) => parse(...args)?.quantizers;
  assertEquals(files("--quantizer", "./a.ts,b.js", "--quantizer=./a.ts"), ["./a.ts", "b.js"]);
  assertThrows(() => files("--quantizer", "uniform"), UsageError, "expected a file such as");
  assertThrows(
    () => files("--policy", "x/a.ts", "--quantizer", "./a.ts"),
    UsageError,
    "would both be reported as a",
  );
});

Deno.test("a policy is asked for by its name, and by nothing else", () => {
  assertEquals(parse("--policy=all,reference")?.named, ["reference"]);
  assertEquals(parse("--policy", "all")?.named, []);
  assertEquals(parse("--policy", "./mine.ts")?.named, ["./mine.ts"]);
});

Deno.test("a group size goes to every policy that has groups", () => {
  const asked = parse(
    "--policy",
    "reference,adaptive,squat_2bit,./mine.ts",
    "--group-size",
    "32,64",
  );
  assertEquals(asked?.policies, [
    "reference",
    "adaptive",
    "squat_2bit@g32",
    "squat_2bit@g64",
    "./mine.ts@g32",
    "./mine.ts@g64",
  ]);
  assertEquals(asked?.named, asked?.policies);
  assertEquals(asked?.ungrouped, [
    "Policy adaptive: its family transform takes no group size, so it runs as it is",
  ]);
  const usual = parse("--group-size=16");
  assertEquals(usual?.policies.at(1), "uniform_quant_4bit@g16");
  assertEquals([usual?.policies.at(-1), usual?.named, usual?.ungrouped], ["adaptive", [], []]);
  assertEquals(parse("--policy", "squat_2bit@g8,./m.js@g8", "--group-size", "16")?.policies, [
    "squat_2bit@g8",
    "./m.js@g8",
  ]);
});

Deno.test("a size is read in every unit, whatever its case", () => {
  const sizes = { "8GiB": 2 ** 33, "500mb": 5e8, "64 KiB": 65536, "0.5tib": 2 ** 39, "2GB": 2e9 };
  for (const [text, bytes] of Object.entries(sizes)) {
    assertEquals(parse("--cache-limit", text)?.cacheLimit, bytes);
  }
});

Deno.test("help wins over everything but an unknown option", () => {
  assertEquals(parse("--limit", "nonsense", "--help"), undefined);
  assertEquals(parse("-h"), undefined);
});

Deno.test("a wrong command line is refused in one sentence that says what is right", () => {
  const wrong: [args: string, message: RegExp][] = [
    ["--polcy x", /^Unknown option --polcy; expected one of --policy, --quantizer, --python, /],
    ["--x=1", /^Unknown option --x; expected one of /],
    ["-z", /^Unknown option -z; expected one of /],
    ["extra", /^Unexpected argument "extra"; expected only options: --policy, /],
    ["--models mini", /^There is no option --models any more; give --model, /],
    ["--slices needle", /^Unknown option --slices; expected one of /],
    [
      "--model mini --model=mini-outlier",
      /^--model is given 2 times, "mini" and "mini-outlier"; this command takes one$/,
    ],
    ["--policy nope", /^Unknown policy "nope"; expected all or reference, uniform_quant_4bit, /],
    ["--policy reference,", /^Unknown policy ""; expected all or reference, /],
    ["--policy constructor", /^Unknown policy "constructor"; /],
    [
      "--policy adaptive@g64",
      /^Policy adaptive has no groups, so there is no "adaptive@g64"; leave /,
    ],
    ["--policy kivi_overlap_2bit@g0", /^Unknown policy "kivi_overlap_2bit@g0"; /],
    ["--group-size 0", /^--group-size must be an integer from 1 to 16777216, got "0"$/],
    ["--group-size 32,x", /^--group-size must be an integer from 1 to 16777216, got "x"$/],
    ["--device gpu", /^Unknown device "gpu"; expected auto, webgpu, webgpu-onnx, cpu or wasm$/],
    ["--limit 0", /^--limit must be an integer of at least 1, got "0"$/],
    ["--limit 1.5", /^--limit must be an integer of at least 1, got "1.5"$/],
    ["--limit=-1", /^--limit must be an integer of at least 1, got "-1"$/],
    ["--limit", /^--limit needs a value, as in --limit 2$/],
    ["--max-new-tokens x", /^--max-new-tokens must be an integer of at least 1, got "x"$/],
    ["--budget-bits 16", /^--budget-bits must be an integer from 1 to 8, got "16"$/],
    ["--seeds 0", /^--seeds must be an integer from 1 to 1000, got "0"$/],
    ["--seed 4294967296", /^--seed must be an integer from 0 to 4294967295, got "4294967296"$/],
    ["--model --quiet", /^--model needs a value, as in --model mini$/],
    ["--out", /^--out needs a value, as in --out results$/],
    ["--cache-limit 8", /^--cache-limit must be a size with its unit, such as 8GiB .+, got "8"$/],
    ["--cache-limit 0GiB", /^--cache-limit must be a size with its unit, .+, got "0GiB"$/],
    ["--cache-limit=-1MB", /^--cache-limit must be a size with its unit, .+, got "-1MB"$/],
    ["--cache-limit", /^--cache-limit needs a value, as in --cache-limit 8GiB$/],
    ["--no-stepwise", /^Unknown option --no-stepwise; expected one of /],
  ];
  for (const [args, message] of wrong) {
    assertMatch(assertThrows(() => parse(...args.split(" ")), UsageError).message, message);
  }
  assertThrows(
    () => parseReplayOptions("all", ["--data", "x.jsonl"]),
    UsageError,
    "--data replaces one slice",
  );
});

Deno.test("whatever the arguments, there are options, help or one sentence", () => {
  const word = fc.oneof(
    fc.constantFrom(...Object.keys(OPTIONS).map((name) => `--${name}`)),
    fc.constantFrom("2", "all", "reference", "cpu", "mini", "--", "-", "", "--=", "--__proto__"),
    fc.string({ maxLength: 6 }),
  );
  fc.assert(fc.property(fc.array(word, { maxLength: 6 }), (args) => {
    try {
      const options = parse(...args);
      assertEquals(options === undefined || options.policies.length > 0, true);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }));
});

Deno.test("every option with a value has an example for its message", () => {
  for (const name of valueOptions) {
    assertThrows(
      () => parse(`--${name}`, "--quiet"),
      UsageError,
      `--${name} needs a value, as in --${name} `,
    );
  }
});

Deno.test("two policy files that would be reported under one name are refused", () => {
  assertThrows(
    () => parse("--policy", "a/mine.js,reference,b/mine.ts"),
    UsageError,
    'The files "a/mine.js" and "b/mine.ts" would both be reported as mine; give one of them',
  );
  assertEquals(parse("--policy", "a/mine.js,./a/mine.js")?.policies, ["a/mine.js"]);
  assertEquals(parse("--policy", "mine.js,other.js")?.policies, ["mine.js", "other.js"]);
});
