/**
 * The lines that programs read from stdout.
 *
 * @module
 */
import type { SliceNumbers } from "../replay/metric.ts";
import { metricFields, plainDecimal, printed } from "./metric_fields.ts";

/** A name without what would end a value, a pair or the line. */
export function word(name: string): string {
  return name.replace(/(?:[^\w./@+:-]|:(?![\w-]))+/gu, "_");
}

/** A count as it is, anything else with six decimals. */
function printedNumber(value: number): string {
  return plainDecimal(value, Number.isInteger(value) ? 0 : 6);
}

/**
 * `TEST_METRICS: slice=NAME policy=NAME FIELD=NUMBER ...` on one line, without a line feed.
 *
 * @param partial whether the run ended early; the line then ends with `partial=1`
 * @param others more numbers by their names, behind those of the contract
 * @throws {InternalError} when a number is none
 *
 * @example
 * ```ts
 * import { assertMatch } from "@std/assert";
 * import { open, testMetricsLine } from "@kvreplay/kvreplay";
 *
 * await using lab = await open("mini", { device: "cpu" });
 * const { policy, numbers } = await lab.replay({ prompt: "Why?" }, "uniform_quant_2bit");
 * const line = testMetricsLine("why", policy, numbers);
 * assertMatch(line, /^TEST_METRICS: slice=why policy=uniform_quant_2bit quality_main=\d+\.\d{4} /);
 * ```
 */
export function testMetricsLine(
  slice: string,
  policy: string,
  numbers: SliceNumbers,
  partial = false,
  others: Readonly<Record<string, number>> = {},
): string {
  const pairs = [
    ...metricFields.map((field) => `${field}=${printed(numbers, field)}`),
    ...Object.entries(others).map(([name, value]) => `${word(name)}=${printedNumber(value)}`),
    ...partial ? ["partial=1"] : [],
  ];
  return ["TEST_METRICS:", `slice=${word(slice)}`, `policy=${word(policy)}`, ...pairs].join(" ");
}
