import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseSearchOptions, SEARCH_OPTIONS } from "../../cli/search_options.ts";
import { UsageError } from "../../cli/usage_error.ts";

const parse = (...args: string[]) => parseSearchOptions(args);

Deno.test("by default a 2-bit plan for mini under kivi is searched", () => {
  assertEquals<unknown>(parse(), {
    model: "mini",
    device: "auto",
    family: "kivi",
    groupSize: 32,
    residualLength: 32,
    budgetBits: 2,
    minWidth: 1,
    maxWidth: 4,
    samples: 6,
    rounds: 1,
    slices: [],
    quantizers: [],
    trust: false,
    limits: {},
    out: "search_policy.ts",
    quiet: false,
  });
  assertEquals(parse("--max-width=1")?.budgetBits, 1);
  assertEquals([parse("--quick")?.samples, parse("--quick")?.rounds], [3, 0]);
  assertEquals(parse("--family=uniform")?.groupSize, undefined);
});

Deno.test("every option is read", () => {
  const args = "--model /data/qwen --tokenizer ./t --device cpu --family uniform --group-size 64 " +
    "--residual-length 0 --budget-bits 2.75 --min-width 2 --max-width 8 --samples 2 --rounds 3 --slice needle,reasoning --out a/b.mts --json c.json --quiet " +
    "--quantizer a.ts --python /usr/bin/python3 --policy-memory-mib 900";
  assertEquals<unknown>(parse(...args.split(" ")), {
    model: "/data/qwen",
    tokenizer: "./t",
    device: "cpu",
    family: "uniform",
    groupSize: 64,
    residualLength: 0,
    budgetBits: 2.75,
    minWidth: 2,
    maxWidth: 8,
    slices: ["needle", "reasoning"],
    samples: 2,
    rounds: 3,
    quantizers: ["a.ts"],
    python: "/usr/bin/python3",
    trust: false,
    limits: { memoryMib: 900 },
    out: "a/b.mts",
    json: "c.json",
    quiet: true,
  });
});

const wrong: readonly (readonly [string, ...string[]])[] = [
  ["--slice haystack", 'Unknown slice "haystack"; expected longbench, needle or reasoning'],
  ["--slices needle", "There is no option --slices any more; give --slice"],
  [
    "--family qaq --group-size 32",
    "--group-size 32 does not go with --family qaq, which takes no group size; leave it out",
  ],
  ["--quantizer=adaptive.ts", "--quantizer adaptive.ts has the name of the built-in adaptive"],
  ["--quantizer=x/a.ts --out=a.ts", "would both be reported as a"],
  ["--wat", "Unknown option --wat", "--budget-bits"],
  ["mini", 'Unexpected argument "mini"'],
  ["--family=best", 'Unknown family "best"', "kivi"],
  ["--budget-bits=4.5", '--budget-bits must be a number from 1 to 4, got "4.5"'],
  ["--budget-bits=0.5", 'got "0.5"'],
  ["--budget-bits=two", 'got "two"'],
  ["--max-width=9", '--max-width must be an integer from 1 to 8, got "9"'],
  ["--min-width=5", '--min-width must be an integer from 1 to 4, got "5"'],
  ["--samples=0", '--samples must be an integer of at least 1, got "0"'],
  ["--quick --samples=4", "give one of them"],
  ["--out=plan.js", '"plan.js"', ".ts or .mts"],
  ["--out=x/adaptive.ts", "the name of the built-in adaptive"],
  ["--json=", "--json needs a value, as in --json search.json"],
];

Deno.test("a mistake is one sentence that says what would be right", () => {
  for (const [args, ...said] of wrong) {
    const { message } = assertThrows(() => parse(...args.split(" ")), UsageError) as Error;
    for (const words of said) assert(message.includes(words), `${args}: ${message}`);
    assert(!message.includes("\n"));
  }
});

Deno.test("the table holds what is parsed", () => {
  assertEquals([parse("--help"), parse("-h", "--quick")], [undefined, undefined]);
  for (const [name, row] of Object.entries(SEARCH_OPTIONS)) {
    if (name === "help" || "value" in row) continue;
    assert(parse(`--${name}`) !== undefined, name);
  }
});
