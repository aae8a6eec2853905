import { InternalError } from "../../errors.ts";
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parse } from "@std/csv/parse";
import fc from "fast-check";
import { metricFields, plainDecimal } from "../../report/metric_fields.ts";
import { resultFiles } from "../../report/result_files.ts";
import { sliceTable } from "../../report/table.ts";
import { testMetricsLine } from "../../report/test_metrics.ts";
import { numbers, result } from "./sample_result.ts";
import { run } from "./sample_run.ts";

const reports = [{ data: null, max_new_tokens: 32, result }];

Deno.test("a TEST_METRICS line has the contract's fields in its order, as plain decimals", () => {
  assertEquals(
    testMetricsLine("needle", "kivi_overlap_2bit", numbers),
    "TEST_METRICS: slice=needle policy=kivi_overlap_2bit quality_main=98.2568 " +
      "quality_delta_vs_ref=-1.7432 peak_kv_memory_mb=3.243164 decode_tokens_per_s=123.46 " +
      "prefill_latency_ms=45.68 calibration_cost_s=0.000 avg_bits_per_kv_token=4.500000 " +
      "cache_error=0.094500 greedy_match_ratio=0.978102 replay_agreement=0.990000 " +
      "task_score=84.3750 task_score_ref=90.6250 kv_compression_ratio=3.555556 " +
      "code_bits=4.000000 steps=2 examples=1 examples_left_out=1 constants_mb=0.125000 " +
      "break_even_tokens=77",
  );
});

Deno.test("a name cannot end a TEST_METRICS line or forge a field", () => {
  const line = testMetricsLine("a\nTEST_METRICS: b", "c quality_main=100 d", numbers);
  assertMatch(line, /^TEST_METRICS: slice=a_TEST_METRICS_b policy=c_quality_main_100_d quality_/);
  assertEquals(line.includes("\n"), false);
});

Deno.test("a number that is none is refused by its field", () => {
  assertThrows(
    () => testMetricsLine("needle", "x", { ...numbers, cache_error: NaN }),
    InternalError,
    "cache_error: Expected a number below 1e21, got NaN",
  );
});

Deno.test("a plain decimal has no exponent and is the number to its last digit", () => {
  fc.assert(fc.property(
    fc.double({ min: -1e15, max: 1e15, noNaN: true }),
    fc.nat(6),
    (value, decimals) => {
      const text = plainDecimal(value, decimals);
      assertMatch(text, /^-?\d+(\.\d+)?$/);
      assertEquals(Math.abs(Number(text) - value) <= 0.5001 * 10 ** -decimals + 1e-15 * 1e15, true);
      assertEquals(Object.is(Number(text), -0), false);
    },
  ));
  for (const value of [NaN, Infinity, -Infinity, 1e21]) {
    assertThrows(() => plainDecimal(value, 2), InternalError);
  }
});

Deno.test("metrics.csv has one row per slice and policy, the numbers as they are", () => {
  const rows = parse(resultFiles(run, reports)["metrics.csv"]!, { skipFirstRow: true });
  assertEquals(rows.map((row) => row.policy), ["reference", "kivi, 2 bit"]);
  assertEquals(
    Object.keys(rows[0]!),
    ["slice", "policy", ...metricFields, "outside_budget", "claimed", "partial"],
  );
  for (const field of metricFields) assertEquals(Number(rows[0]![field]), numbers[field]);
});

Deno.test("metrics.json says what was run, and every number", () => {
  const content = JSON.parse(resultFiles(run, reports)["metrics.json"]!);
  const whole = { partial: false, ended_by: null, slices: undefined };
  assertEquals({ ...content, slices: undefined }, { ...run, ...whole });
  const [slice] = content.slices;
  assertEquals([slice.slice, slice.data, slice.max_new_tokens], ["needle", null, 32]);
  assertEquals(slice.refused, result.refused);
  assertEquals(slice.policies[1].metrics, { ...numbers });
  assertEquals(slice.policies[1].examples, [{
    id: "needle-000",
    dataset: "passkey",
    depth: 0.5,
    steps: 2,
    same_tokens: 1,
    task_score: 100,
    task_score_ref: 100,
    prefill_ms: 12,
    replay_s: 0.25,
    reply: "12 34",
    reply_ref: "12 34",
    cut: false,
    cut_ref: false,
  }]);
});

Deno.test("a run that ended early is marked partial in every output", () => {
  const cut = { ...result, partial: true as const };
  const files = resultFiles(run, [{ ...reports[0]!, result: cut }], "Interrupted by SIGINT");
  const { partial, ended_by, slices } = JSON.parse(files["metrics.json"]!);
  assertEquals([partial, ended_by, slices[0].partial], [true, "Interrupted by SIGINT", true]);
  const rows = parse(files["metrics.csv"]!, { skipFirstRow: true });
  assertEquals(rows.map((row) => row.partial), ["true", "true"]);
  assertMatch(testMetricsLine("needle", "x", numbers, true), / break_even_tokens=77 partial=1$/);
  assertMatch(sliceTable(cut), /left out \(partial: the run ended early\)\n/);
  const whole = JSON.parse(resultFiles(run, reports)["metrics.json"]!);
  assertEquals([whole.partial, whole.ended_by, whole.slices[0].partial], [false, null, false]);
});

Deno.test("steps.jsonl has one line per replayed step", () => {
  const lines = resultFiles(run, reports)["steps.jsonl"]!.trimEnd().split("\n");
  assertEquals(lines.length, 4);
  assertEquals(JSON.parse(lines[3]!), {
    slice: "needle",
    policy: "kivi, 2 bit",
    example: "needle-000",
    dataset: "passkey",
    step: 1,
    reference_token: 7,
    replayed_token: 8,
    kl: 0.125,
    cache_error: 0.5,
    stored_bytes: 2048,
    bits: 8,
  });
});

Deno.test("the table has a row per policy, in aligned columns", () => {
  const [title, ...rows] = sliceTable(result).split("\n");
  assertEquals(title, "needle: 1 examples, 2 steps, 1 examples left out");
  assertEquals(rows.length, 3);
  assertEquals(rows.map((row) => row.length), [rows[0]!.length, rows[0]!.length, rows[0]!.length]);
  assertMatch(rows[2]!, /^kivi, 2 bit +98\.26 +-1\.74 +84\.4 +90\.6 +0\.9781 +0\.0945 +4\.500 /);
});

Deno.test("tables and files mark a policy that is outside the budget", () => {
  const results = result.results.map((r) => ({ ...r, outsideBudget: r.policy !== "reference" }));
  const marked = { ...result, results };
  const table = sliceTable(marked).split("\n");
  assertMatch(table[2]!, /^reference {2}/);
  assertMatch(table[3]!, /^kivi, 2 bit \* {2}/);
  assertEquals(table.at(-1), "* outside the budget, as an engine's setting is");
  const files = resultFiles(run, [{ ...reports[0]!, result: marked }]);
  const { slices: [{ policies }] } = JSON.parse(files["metrics.json"]!);
  assertEquals(policies.map((p: { outside_budget: boolean }) => p.outside_budget), [false, true]);
  const rows = parse(files["metrics.csv"]!, { skipFirstRow: true });
  assertEquals(rows.map((row) => row.outside_budget), ["false", "true"]);
});

Deno.test("tables and files mark a quantizer whose memory is claimed", () => {
  const results = result.results.map((r) => ({ ...r, claimed: r.policy !== "reference" }));
  const marked = { ...result, results };
  const table = sliceTable(marked).split("\n");
  assertMatch(table[2]!, /^reference {2}/);
  assertMatch(table[3]!, /^kivi, 2 bit \(claimed\) {2}/);
  assertEquals(table.at(-1), "(claimed) bits and memory are claimed, not stored");
  const files = resultFiles(run, [{ ...reports[0]!, result: marked }]);
  const { slices: [{ policies }] } = JSON.parse(files["metrics.json"]!);
  assertEquals(policies.map((p: { claimed: boolean }) => p.claimed), [false, true]);
  const rows = parse(files["metrics.csv"]!, { skipFirstRow: true });
  assertEquals(rows.map((row) => row.claimed), ["false", "true"]);
});

Deno.test("a slice on which every policy failed has a table of its head alone", () => {
  assertEquals(sliceTable({ ...result, results: [] }).split("\n").length, 2);
});

Deno.test("policies that do not apply are in the table and in metrics.json, with the reason", () => {
  const reason = "Policy skvq_overlap_2bit: not applicable: a group of 128 does not divide 192";
  const told = { ...result, notApplicable: [{ policy: "skvq_overlap_2bit", reason }] };
  assertEquals(sliceTable(told).split("\n").at(-1), reason);
  const [report] = reports;
  const files = resultFiles(run, [{ ...report!, result: told }]);
  const [slice] = JSON.parse(files["metrics.json"]!).slices;
  assertEquals([slice.not_applicable, slice.failures], [told.notApplicable, []]);
});

Deno.test("metrics.json says whether scores can judge", () => {
  const files = resultFiles(run, reports.map((report) => ({ ...report, floor: 95 })));
  const { slices: [slice] } = JSON.parse(files["metrics.json"]!);
  assertEquals(slice.capability, {
    replies: 1,
    cut: 0,
    score: 90.625,
    floor: 95,
    can_judge: false,
  });
});
