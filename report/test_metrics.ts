/**
 * The lines that programs read from stdout.
 *
 * @module
 */
import type { SliceNumbers } from "../replay/metric.ts";
import { metricFields, printed } from "./metric_fields.ts";

/** A name without what would end a value, a pair or the line. */
function word(name: string): string {
  return name.replace(/[^\w./@+-]+/gu, "_");
}

/**
 * `TEST_METRICS: slice=NAME policy=NAME FIELD=NUMBER ...` on one line, without a line feed.
 *
 * @throws {InternalError} when a number is none
 */
export function testMetricsLine(slice: string, policy: string, numbers: SliceNumbers): string {
  const pairs = metricFields.map((field) => `${field}=${printed(numbers, field)}`);
  return ["TEST_METRICS:", `slice=${word(slice)}`, `policy=${word(policy)}`, ...pairs].join(" ");
}
