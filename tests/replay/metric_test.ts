import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  compare,
  type ExampleOutcome,
  median,
  nothingQuantized,
  quality,
  type StepOutcome,
  summarize,
} from "../../replay/metric.ts";

const logits = (length: number) =>
  fc.array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: length, maxLength: length })
    .map((v) => new Float32Array(v));

Deno.test("KL is zero for equal logits, positive otherwise, and ignores a common shift", () => {
  fc.assert(fc.property(logits(7), logits(7), (a, b) => {
    assertEquals(compare(a, 0, a, 0, 7).kl, 0);
    const { kl, token } = compare(a, 0, b, 0, 7);
    assert(kl >= 0);
    assertEquals(token, b.indexOf(Math.max(...b)));
    const shifted = b.map((x) => x + 8);
    assertAlmostEquals(compare(a, 0, shifted, 0, 7).kl, kl, 1e-3);
  }));
});

Deno.test("KL of two known distributions", () => {
  const p = [0.5, 0.25, 0.25], q = [0.25, 0.25, 0.5];
  const log = (d: number[]) => new Float32Array([9, ...d.map(Math.log)]);
  const { kl, token } = compare(log(p), 1, log(q), 1, 3);
  assertAlmostEquals(kl, 0.5 * Math.log(2) - 0.25 * Math.log(2), 1e-7);
  assertEquals(token, 2);
});

const step = (s: Partial<StepOutcome>): StepOutcome => ({
  step: 0,
  token: 1,
  referenceToken: 1,
  kl: 0,
  squaredError: 0,
  bytes: 100,
  elements: 200,
  codes: 0,
  codeBits: 0,
  ...s,
});

Deno.test("a slice pools its steps and averages its examples", () => {
  const example = (steps: StepOutcome[], score: number): ExampleOutcome => ({
    steps,
    seconds: 0.5,
    score,
    referenceScore: 1,
    prefillMs: 10 * steps.length,
  });
  const numbers = summarize(
    [
      example([step({}), step({ token: 2, squaredError: 0.04 }), step({ kl: Math.log(2) })], 1),
      example(
        [step({ bytes: 300, elements: 400, codes: 10, codeBits: 25, squaredError: 0.12 })],
        0,
      ),
    ],
    {
      calibrationSeconds: 1.5,
      referenceQuality: 100,
      leftOut: 3,
      constants: { bytes: 5000, entriesPerToken: 20 },
    },
  );
  assertEquals(numbers.steps, 4);
  assertEquals([numbers.examples, numbers.examples_left_out], [2, 3]);
  assertEquals(numbers.greedy_match_ratio, 0.75);
  assertEquals(numbers.replay_agreement, 0.875);
  assertAlmostEquals(numbers.cache_error, 0.2, 1e-12);
  assertAlmostEquals(numbers.quality_main, 100 * (0.6 * 0.75 + 0.3 * 0.875 + 0.1 * 0.96), 1e-6);
  assertAlmostEquals(numbers.quality_delta_vs_ref, numbers.quality_main - 100, 1e-6);
  assertEquals(numbers.task_score, 50);
  assertEquals(numbers.task_score_ref, 100);
  assertEquals(numbers.peak_kv_memory_mb, 300 / 2 ** 20);
  assertAlmostEquals(numbers.kv_compression_ratio, 800 / 300);
  assertAlmostEquals(numbers.avg_bits_per_kv_token, 8 * 600 / 1000);
  assertEquals(numbers.code_bits, 2.5);
  assertEquals(numbers.decode_tokens_per_s, 4);
  assertEquals(numbers.prefill_latency_ms, 20);
  assertEquals(numbers.calibration_cost_s, 1.5);
  assertEquals(numbers.constants_mb, 5000 / 2 ** 20);
});

Deno.test("memory is saved from where coded tokens have paid for the constants", () => {
  const saves = (s: Partial<StepOutcome>, constants?: Parameters<typeof summarize>[1]) =>
    summarize(
      [{ steps: [step(s)], seconds: 1, score: 1, referenceScore: 1, prefillMs: 1 }],
      constants,
    )
      .break_even_tokens;
  const constants = (bytes: number) => ({ constants: { bytes, entriesPerToken: 20 } });
  // Twenty tokens of 40 bytes, four of them exact; each of the others takes 10 bytes.
  const held = { elements: 400, bytes: 4 * 40 + 16 * 10, codes: 16 * 20 };
  assertEquals(saves(held, constants(3000)), 4 + 100);
  assertEquals(saves(held, constants(3001)), 4 + 101);
  assertEquals(saves(held, constants(0)), 4);
  assertEquals(saves({ ...held, bytes: 800 }, constants(3000)), -1);
  assertEquals(saves({ ...held, bytes: 900 }, constants(0)), -1);
  assertEquals(saves(held), 0);
  // A quantizer that is judged by its bytes has no codes: twenty tokens save 20 bytes each.
  const brought = { elements: 400, bytes: 20 * 20, codes: 0 };
  assertEquals(saves(brought, constants(3000)), 150);
  assertEquals(saves(brought, constants(0)), 0);
});

Deno.test("a quantizer that stores nothing has numbers that can be told", () => {
  for (const bytes of [0, 1e-30]) {
    const numbers = summarize([{
      ...{ steps: [step({ bytes, elements: 400 })], seconds: 1 },
      ...{ score: 1, referenceScore: 1, prefillMs: 1 },
    }]);
    assertEquals(numbers.kv_compression_ratio, 800);
    assertEquals(Object.values(numbers).filter((number) => !Number.isFinite(number)), []);
  }
});

Deno.test("quality: a cache error above 1 takes no more than its tenth", () => {
  assertEquals(quality(1, 1, 0), 100);
  assertEquals(quality(1, 1, 3), 90);
  assertEquals(quality(0, 0, 1), 0);
});

Deno.test("median of odd and even counts", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
});

Deno.test("codes are 0 bits wide where there are none, but 16 in full precision", () => {
  const exact: ExampleOutcome = {
    steps: [step({})],
    seconds: 1,
    score: 1,
    referenceScore: 1,
    prefillMs: 1,
  };
  assertEquals(summarize([exact]).code_bits, 0);
  assert(nothingQuantized(summarize([exact])));
  assertEquals(summarize([exact], { fullPrecision: true }).code_bits, 16);
  assert(!nothingQuantized(summarize([exact], { fullPrecision: true })));
});

Deno.test("logits that are not finite have no finite divergence", () => {
  const real = new Float32Array([0, 3, 1]);
  for (const wrong of [NaN, Infinity, -Infinity]) {
    for (let i = 0; i < real.length; i++) {
      assert(!Number.isFinite(compare(real, 0, real.with(i, wrong), 0, 3).kl), `${wrong} at ${i}`);
    }
  }
  // A policy may be as wrong as float32 goes, and is compared.
  const far = new Float32Array([3e38, -3e38, 0]);
  assert(Number.isFinite(compare(real, 0, far, 0, 3).kl));
});
