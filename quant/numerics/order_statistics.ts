/**
 * The text of `order_statistic.wgsl` for so many values: memory that a workgroup does not need is
 * taken from other workgroups, and cleared for nothing.
 *
 * @module
 */
import text from "./order_statistic.wgsl" with { type: "text" };

/** Most values that are kept in a workgroup's memory, of which WebGPU promises 16 KiB. */
const MOST_KEPT = 2048;

/** WGSL that finds order statistics of `count` values. */
export function orderStatistics(count: number): string {
  const kept = count <= MOST_KEPT ? count : 1;
  const slots = kept + Math.ceil(kept / 16);
  return `const most_kept = ${kept}u;\nconst kept_slots = ${slots}u;\n${text}`;
}
