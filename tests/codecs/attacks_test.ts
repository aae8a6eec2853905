/**
 * What a hostile quantizer may try: to restore what it did not store, to leave its process, to take
 * more than it is given. Each is ended with the right sentence, or gains nothing; and the evaluator's
 * own numbers stay what they were.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CodecHost } from "../../codecs/codec_host.ts";
import type { SandboxLimits } from "../../sandbox/limits.ts";
import { hostBuiltin } from "../../policies/registry.ts";
import { isRunning } from "../sandbox/is_running.ts";
import { numbersOf, tinyRun } from "../sandbox/tiny_run.ts";

const FOLDER = new URL("./attacks/", import.meta.url);
const BESIDE = "uniform_quant_4bit";

/** What is to become of each attack: a sentence; numbers of a cache that is lost; or exact ones. */
const ATTACKS: Readonly<Record<string, RegExp | "nothing restored" | "exact">> = {
  "remember_in_module.js": "nothing restored",
  "remember_in_prototype.js": "nothing restored",
  "remember_examples.js": "exact",
  "read_after.js": "nothing restored",
  "leave_realm.js": "exact",
  "store_later.js": "exact",
  "clock.js":
    /^not deterministic: Given the run's first \d+ blocks in a fresh process, it returned/,
  "restore_at_random.js":
    /^not deterministic: Given the run's first \d+ blocks in a fresh process, it restored other/,
  "changing_rule.js":
    /^not deterministic: Asked for blocks\(\) again, it answered \[.*\] instead of \[.*\]$/,
  "loop_in_encode.js": /^timed out: No answer to encode\(\) of \d+ blocks within 1 s$/,
  "loop_in_decode.js": /^timed out: No answer to decode\(\) of \d+ blocks within 1 s$/,
  "loop_in_reset.js": /^timed out: No answer to blocks\(\) within 1 s$/,
  "memory.js": /^out of memory: It took more than 128 MiB$/,
  "wasm_memory.js": /^out of memory: It took more than 128 MiB$/,
  "long_bytes.js": /^(rejected: More than \d+ bytes in|out of memory: It took more than 128 MiB$)/,
  "wrong_bytes.js": /^rejected: encode\(0, "key"\) returned a string; expected a Uint8Array$/,
  "wrong_length.js": /^rejected: decode\(0, "key"\) returned 3 entries; expected \d+$/,
  "wrong_floats.js": /^rejected: decode\(0, "key"\) returned an Array; expected a Float32Array$/,
  "not_finite.js": /^rejected: Layer 0 keys: what was restored of token 0 is not finite/,
  "spoilt_realm.js": /^(rejected|crashed|timed out): /,
  "forge_error.js": /^rejected: encode\(0, "key"\) threw Error: x \[2K TEST METRICS: slice=tiny/,
  "throws_nothing.js": /^rejected: encode\(0, "key"\) threw something that cannot be described$/,
  "imports.js": /^rejected: It imports "node:fs"; a codec is one file, which imports types only$/,
  "imports_late.js":
    /^rejected: It imports something while it runs; a codec is one file, which imports types only$/,
  "makes_code.js": /^rejected: encode\(0, "key"\) threw (EvalError|TypeError): /,
  "no_decode.js": /^Quantizer attack has no method decode; expected encode and decode$/,
  "bad_rule.js": /^rejected: blocks\("key"\) has tokens 0; expected a whole number from 1 to/,
  "unknown_rule.js":
    /^rejected: blocks\("key"\) names "sinks"; expected tokens, window, sink_tokens$/,
};

function limitsFor(file: string): Partial<SandboxLimits> {
  if (/^(loop|spoilt)/.test(file)) return { startMs: 3000, stepMs: 1000 };
  if (/memory|long_bytes/.test(file)) return { memoryMib: 128 };
  return { stepMs: 10_000 };
}

const honest = numbersOf(await tinyRun([hostBuiltin(BESIDE)]), BESIDE);
const lost = `export default {
  encode: () => new Uint8Array(0),
  decode: (_l, _k, _b, { heads, tokens, headDim }) => new Float32Array(heads * tokens * headDim),
};`;

async function attack(name: string, text: string, limits: Partial<SandboxLimits> = {}) {
  let host: CodecHost;
  try {
    host = await CodecHost.open({ name, text, language: "js" }, { limits });
  } catch (error) {
    return { sentence: (error as Error).message, result: await tinyRun([hostBuiltin(BESIDE)]) };
  }
  try {
    const result = await tinyRun([host, hostBuiltin(BESIDE)]);
    const sentence = result.failures[0]?.reason.replace(`Quantizer ${name}: `, "");
    return { result, sentence };
  } finally {
    await host.close();
    for (const pid of host.pids) assertEquals(isRunning(pid), false, "a process outlived its host");
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
    if (expected instanceof RegExp) {
      assert(sentence !== undefined, "the quantizer was not ended");
      assert(!/\n|.{800}|TEST_METRICS/.test(sentence), sentence.slice(0, 1000));
      assertMatch(sentence, expected);
      assertEquals(result.results.map(({ policy }) => policy), [BESIDE]);
    } else {
      assertEquals(sentence, undefined);
      const { avg_bits_per_kv_token, cache_error } = numbersOf(result, "attack");
      if (expected === "exact") {
        assertEquals([cache_error! < 1e-6, avg_bits_per_kv_token! > 16], [true, true]);
      } else {
        const nothing = await attack("attack", lost);
        assertEquals(cache_error, numbersOf(nothing.result, "attack").cache_error);
      }
    }
    assertEquals(numbersOf(result, BESIDE), honest);
    assertEquals(({} as { secret?: number }).secret, undefined);
  });
}
