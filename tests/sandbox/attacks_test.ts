/**
 * Every attack must be contained: the policy is ended with the right sentence, or finds every door
 * closed and is measured like an honest one; and the evaluator's own numbers stay what they were.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { hostBuiltin } from "../../policies/registry.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";
import type { SandboxLimits } from "../../sandbox/limits.ts";
import type { SliceResult } from "../../evaluation/results.ts";
import { isRunning } from "./is_running.ts";
import { numbersOf, tinyRun } from "./tiny_run.ts";

const FOLDER = new URL("./attacks/", import.meta.url);

/** The built-in that runs beside every attack. */
const BESIDE = "uniform_quant_4bit";

/** What is to become of each attack: the failure's sentence, or nothing at all. */
const ATTACKS: Readonly<Record<string, RegExp | "harmless">> = {
  "kill_host.js": "harmless",
  "forge_metrics.js": "harmless",
  "forge_in_error.js":
    /^rejected: choose_bits\(0, "key", 0\) threw Error: x \[2K 2K TEST METRICS: slice=tiny/,
  "forge_in_answer.js":
    /^rejected: choose_axis\(0, "key"\) returned "\\u009b2K\\r\\nTEST METRICS: slice=tiny/,
  "forge_in_option.js": /^rejected: Layer 0 keys: .*TEST METRICS: slice=tiny/,
  "flood_in_option.js": /^rejected: Layer 0 keys: .*fp8_params.{1,600}$/,
  "many_methods.js": "harmless",
  "read_answers.js": "harmless",
  "read_environment.js": "harmless",
  "threads_and_devices.js": "harmless",
  "leave_realm.js": "harmless",
  "loop_when_asked.js": /^timed out: No answer to the plan of step 0 within 1 s$/,
  "loop_in_getter.js": /^timed out: No answer to the plan of step 0 within 1 s$/,
  "loop_in_regex.js": /^timed out: No answer to the plan of step 0 within 1 s$/,
  "loop_in_promises.js": "harmless",
  "loop_when_loaded.js": /^timed out: Not ready within 2 s$/,
  "loop_promises_when_loaded.js": /^timed out: Not ready within 2 s$/,
  "never_loaded.js": /^timed out: Not ready within 2 s$/,
  "heap.js": /^out of memory: It took more than 128 MiB$/,
  "heap_when_loaded.js": /^out of memory: It took more than 128 MiB$/,
  "buffers.js": /^out of memory: It took more than 128 MiB$/,
  "one_buffer.js": /^out of memory: It took more than 128 MiB$/,
  "pollute_by_reply.js": /^rejected: Cannot read the plan of step 0: It has the key "__proto__"$/,
  "pollute_constructor.js":
    /^rejected: Cannot read the plan of step 0: It has the key "constructor"$/,
  "pollute_realm.js": /^rejected: /,
  "million_keys.js": /^rejected: More than 4194304 bytes in the plan of step 0$/,
  "deep_reply.js": /^rejected: Cannot read the plan of step 0: It is nested deeper than 32$/,
  "long_reply.js": /^rejected: More than 4194304 bytes in the plan of step 0$/,
  "endless_reply.js": /^(out of memory: It took more than 128 MiB|timed out: No answer to .*)$/,
  "cyclic_reply.js": /^rejected: Reading its answers threw RangeError: Maximum call stack/,
  "bigint_inside.js": /^rejected: Cannot read the plan of step 0: It holds a bigint$/,
  "many_keys.js": /^rejected: Cannot read the plan of step 0: It has more than 10000 keys$/,
  "bits_nan.js": /^rejected: choose_bits\(0, "key", 0\) returned NaN; expected/,
  "bits_negative.js": /^rejected: choose_bits\(0, "key", 0\) returned -4; expected/,
  "bits_huge.js": /^rejected: choose_bits\(0, "key", 0\) returned 1e\+308 bits/,
  "bits_fractional.js": /^rejected: choose_bits\(0, "key", 0\) returned 3\.999; expected/,
  "bits_sixteen.js": /^rejected: choose_bits\(0, "key", 0\) returned 16 bits/,
  "bits_text.js": /^rejected: choose_bits\(0, "key", 0\) returned "4"; expected/,
  "bits_bigint.js": /^rejected: choose_bits\(0, "key", 0\) returned 4n; expected/,
  "bits_promise.js": /^rejected: choose_bits\(0, "key", 0\) returned an object; expected/,
  "random.js": /^not deterministic: Asked for the plan of step \d a second time/,
  "clock.js": /^not deterministic: Asked for the plan of step \d a second time/,
  "throws_the_unspeakable.js":
    /^rejected: choose_bits\(0, "key", 0\) threw something that cannot be described$/,
};

/** Limits for attacks on time and memory, so that the machine of the tests does not suffer. */
function limitsFor(file: string): Partial<SandboxLimits> {
  if (file.endsWith("_loaded.js") && !file.startsWith("heap")) return { startMs: 2000 };
  if (/^loop_(when_asked|in_getter|in_regex)/.test(file)) return { stepMs: 1000 };
  if (/^(heap|buffers|one_buffer|endless)/.test(file)) return { memoryMib: 128 };
  return { stepMs: 10_000 };
}

const honest = numbersOf(await tinyRun([hostBuiltin(BESIDE)]), BESIDE);

interface Outcome {
  /** The sentence that ended the policy, without its name. */
  readonly sentence?: string;
  readonly result: SliceResult;
}

/** Runs a policy of which the worst must be expected beside a built-in. */
async function attack(
  name: string,
  text: string,
  limits: Partial<SandboxLimits> = {},
): Promise<Outcome> {
  const source = { name, text, language: "js" } as const;
  let host: SandboxHost;
  try {
    host = await SandboxHost.open(source, { limits });
  } catch (error) {
    return {
      sentence: (error as Error).message,
      result: await tinyRun([hostBuiltin(BESIDE)]),
    };
  }
  try {
    const result = await tinyRun([host, hostBuiltin(BESIDE)]);
    const [failure] = result.failures;
    return {
      result,
      ...(failure === undefined
        ? {}
        : { sentence: failure.reason.replace(`Policy ${name}: `, "") }),
    };
  } finally {
    await host.close();
    assertEquals(isRunning(host.pid), false, "the sandbox's process outlived its host");
  }
}

Deno.test("every file of attacks is in the table, and the other way round", async () => {
  const files = (await Array.fromAsync(Deno.readDir(FOLDER))).map(({ name }) => name);
  assertEquals(files.sort(), Object.keys(ATTACKS).sort());
});

for (const [file, expected] of Object.entries(ATTACKS)) {
  Deno.test(`contained: ${file}`, async () => {
    const text = await Deno.readTextFile(new URL(file, FOLDER));
    const { sentence, result } = await attack("attack", text, limitsFor(file));
    assert(!/\n|.{800}|TEST_METRICS/.test(sentence ?? ""), sentence?.slice(0, 1000));
    if (expected === "harmless") {
      assertEquals(sentence, undefined);
      assertEquals(numbersOf(result, "attack"), honest);
    } else {
      assert(sentence !== undefined, "the policy was not ended");
      assertMatch(sentence, expected);
      assertEquals(result.results.map(({ policy }) => policy), [BESIDE]);
    }
    for (const { remarks } of result.results) {
      for (const remark of remarks) assertMatch(remark, /^[\x20-\x7e…]{1,700}$/);
      assert(remarks.length < 10 && !remarks.join().includes("TEST_METRICS"));
    }
    assertEquals(numbersOf(result, BESIDE), honest);
    assertEquals(({} as { polluted?: number }).polluted, undefined);
  });
}

/** An honest policy as far as it goes. */
const HONEST = `export default {
  choose_bits: () => 4, choose_axis: () => "token", residual_length: () => 0,
  calibration_mode: () => "none",
};`;

const LOCAL = new URL("../../deno.json", import.meta.url).href;
const SPECIFIERS = [
  ...[LOCAL, new URL("./attacks_test.ts", import.meta.url).href, "./heap.js", "/etc/passwd"],
  ...["https://deno.land/std/version.ts", "http://127.0.0.1:1/x.js", "data:text/javascript,1"],
  ...["node:fs", "node:process", "node:module", "npm:csv-parse", "jsr:@std/assert", "blob:x"],
  ...["ext:core/ops", "fs", "@std/assert"],
];

Deno.test("contained: imports of files, URLs and modules, however they are written", async () => {
  for (const specifier of SPECIFIERS) {
    const quoted = JSON.stringify(specifier);
    const forms = [
      `import * as x from ${quoted}; ${HONEST}`,
      `import ${quoted}; ${HONEST}`,
      `export * from ${quoted}; ${HONEST}`,
      `import x from ${quoted} with { type: "json" }; ${HONEST}`,
      `import x from ${quoted} with { type: "text" }; ${HONEST}`,
    ];
    // One process for each form would take minutes: the first always, one of the others in turn.
    const other = 1 + SPECIFIERS.indexOf(specifier) % (forms.length - 1);
    for (const form of [forms[0]!, forms[other]!]) {
      const error = await openingFails(form);
      assertMatch(error, /^rejected: It (imports "|cannot be loaded: )/, form);
    }
  }
});

Deno.test("contained: imports while it runs, literal and computed", async () => {
  const literal = SPECIFIERS.map((s) => `() => import(${JSON.stringify(s)}),`).join("\n");
  const text = `
    const attempts = [${literal}
      ...${JSON.stringify(SPECIFIERS)}.map((s) => () => import(s)),
      ...${JSON.stringify(SPECIFIERS)}.map((s) => () => import(s, { with: { type: "json" } })),
    ];
    for (const attempt of attempts) {
      let module;
      try { module = await attempt(); } catch { continue; }
      throw new Error("reached " + attempt);
    }
    ${HONEST}`;
  const { sentence, result } = await attack("attack", text);
  assertEquals(sentence, undefined);
  assertEquals(numbersOf(result, "attack"), honest);
});

Deno.test("contained: a text that exhausts the stack of the TypeScript compiler", async () => {
  const text = `export default ${"(".repeat(100_000)}1${")".repeat(100_000)};`;
  const sentence = await openingFails(text, "ts");
  assertMatch(sentence, /^crashed: Its process got SIG(ABRT|SEGV)$/);
  assertEquals(numbersOf(await tinyRun([hostBuiltin(BESIDE)]), BESIDE), honest);
});

Deno.test("says that it imports, whether at once or while it runs", async () => {
  assertEquals(
    await openingFails('import fs from "node:fs"; export default fs;'),
    'rejected: It imports "node:fs"; a policy is one file, which imports types only',
  );
  assertEquals(
    await openingFails('export default await import("node:fs");'),
    "rejected: It imports something while it runs; a policy is one file, which imports types only",
  );
});

async function openingFails(text: string, language: "ts" | "js" = "js"): Promise<string> {
  try {
    await (await SandboxHost.open({ name: "attack", text, language })).close();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`this was loaded: ${text}`);
}
