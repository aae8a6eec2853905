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
  trust: false,
  limits: {},
  model: "mini",
  device: "auto",
  budgetBits: 4,
  seed: 0,
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
    "--policy reference,kivi_overlap_2bit --model mini-outlier --tokenizer ./t --data x.jsonl " +
    "--device wasm --limit 3 --max-new-tokens=9 --budget-bits 8 --seed 7 --out results " +
    "--mode generate --stepwise --audit --no-cache --cache-limit 1.5MB --quiet --trust --calibration c.json --policy-step-ms 500";
  assertEquals<unknown>(parse(...args.split(" ")), {
    slices: ["needle"],
    policies: ["reference", "kivi_overlap_2bit"],
    trust: true,
    limits: { stepMs: 500 },
    calibration: "c.json",
    model: "mini-outlier",
    tokenizer: "./t",
    data: "x.jsonl",
    device: "wasm",
    limit: 3,
    maxNewTokens: 9,
    budgetBits: 8,
    seed: 7,
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
    ["--polcy x", /^Unknown option --polcy; expected one of --policy, --trust, /],
    ["--x=1", /^Unknown option --x; expected one of /],
    ["-z", /^Unknown option -z; expected one of /],
    ["extra", /^Unexpected argument "extra"; expected only options: --policy, /],
    ["--policy nope", /^Unknown policy "nope"; expected all or reference, uniform_quant_4bit, /],
    ["--policy reference,", /^Unknown policy ""; expected all or reference, /],
    ["--policy constructor", /^Unknown policy "constructor"; /],
    ["--device gpu", /^Unknown device "gpu"; expected auto, webgpu, cpu or wasm$/],
    ["--limit 0", /^--limit must be an integer of at least 1, got "0"$/],
    ["--limit 1.5", /^--limit must be an integer of at least 1, got "1.5"$/],
    ["--limit=-1", /^--limit must be an integer of at least 1, got "-1"$/],
    ["--limit", /^--limit needs a value, as in --limit 2$/],
    ["--max-new-tokens x", /^--max-new-tokens must be an integer of at least 1, got "x"$/],
    ["--budget-bits 16", /^--budget-bits must be an integer from 1 to 8, got "16"$/],
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
    'The policy files "a/mine.js" and "b/mine.ts" would both be reported as mine; give one of them',
  );
  assertEquals(parse("--policy", "a/mine.js,./a/mine.js")?.policies, ["a/mine.js"]);
  assertEquals(parse("--policy", "mine.js,other.js")?.policies, ["mine.js", "other.js"]);
});
