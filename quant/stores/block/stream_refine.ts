/**
 * Kernels of a search that moves the zero points of all groups of a block, where each group is a run of
 * neighbouring entries: an invocation has a group in registers and goes through all rounds at once.
 *
 * The search ends for all groups at the first round whose error, summed over the block, is not below
 * that of the round before it. Rounds that were gone through beyond it are passed over, so that nothing
 * has to wait for a sum but the launch that codes. (Keys and values of models mostly take all
 * rounds.)
 *
 * @module
 */

import { upTo } from "../../gpu/wgsl_lines.ts";
import { folded } from "../stream/stream_quantize.ts";

/** Columns that the errors of a round are added up in (`workgroup_threads`). */
export const COLUMNS = 64;

/** Workgroups that add up the columns of a round's errors. */
export const SUM_WORKGROUPS = 8;

/** The largest groups that registers take. */
export const MOST_REFINED = 64;

/**
 * Text of the kernels `refine_stream`, one invocation per group, `sum_columns_of_errors` and `sum_errors`,
 * `SUM_WORKGROUPS` and one workgroup per round; and of `fit_entries`, which takes the zero point of the
 * round that ends the search. It stands behind `stream_places.wgsl` and the family's `searched_quad`.
 */
export function streamRefine(groupSize: number, rounds: number): string {
  const quads = upTo(groupSize / 4);
  const keys = quads.flatMap((q) => [0, 1, 2, 3].map((i) => `ordered(x${q}[${i}])`));
  return `
const rounds = ${rounds}u;
const refine_threads = 128u;

// Errors of all groups, and their zero points, after each round.
@group(0) @binding(7) var<storage, read_write> errors: array<f32>;
@group(0) @binding(9) var<storage, read_write> zeros: array<f32>;
// Errors over the block of every round.
@group(0) @binding(8) var<storage, read_write> sums: array<f32>;

fn stream_groups() -> u32 {
  return stream_entries() / fixed_group_size;
}

// Zero point of a group after the round that ends the search.
fn refined_zero(group: u32) -> f32 {
  var best = 3.4028234663852886e38;
  var last = 0u;
  while (last < rounds - 1u && sums[last] < best) {
    best = sums[last];
    last++;
  }
  return zeros[last * stream_groups() + group];
}

fn fit_entries(low: f32, high: f32, group: u32) -> vec2f {
  return vec2f(fit_group(low, high, f32(fixed_top_code)).x, refined_zero(group));
}

@compute @workgroup_size(refine_threads)
fn refine_stream(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = flat_workgroup(id, workgroups) * refine_threads + lane;
  if (group >= stream_groups()) {
    return;
  }
  let quad = stream_quad(group * ${groupSize}u);
${quads.map((q) => `  let x${q} = source[quad + ${q}u];`).join("\n")}
  let low = float_of(${folded("min", keys)});
  let high = float_of(${folded("max", keys)});
  let top_code = f32(fixed_top_code);
  var fitted = fit_group(low, high, top_code);
  // A zero point that a round leaves where it was stays there, and its group's error, too.
  var settled = fitted.x == 0.0;
  var total = 0.0;
  for (var round = 0u; round < rounds; round++) {
    if (!settled) {
      total = 0.0;
      var fitting = 0.0;
${
    quads.map((q) =>
      `      let s${q} = searched_quad(x${q}, fitted, top_code);
      total = (((total + s${q}.sizes.x) + s${q}.sizes.y) + s${q}.sizes.z) + s${q}.sizes.w;
      fitting = (((fitting + s${q}.fits.x) + s${q}.fits.y) + s${q}.fits.z) + s${q}.fits.w;`
    ).join("\n")
  }
      let zero = fitting / ${groupSize}.0;
      settled = bitcast<u32>(zero) == bitcast<u32>(fitted.y);
      fitted.y = zero;
    }
    errors[round * stream_groups() + group] = total;
    zeros[round * stream_groups() + group] = fitted.y;
  }
}

// A round's errors are added up in 64 columns, each from the first group to the last, and the columns by
// \`sum_of\`. A workgroup has eight columns: what bounds it is that every sum waits for the one before.
const sum_threads = 256u;
const sum_columns = 8u;
// Errors that are in the workgroup's memory, and rows of them.
const sum_tile = 2048u;
const sum_rows = 256u;

@group(0) @binding(10) var<storage, read_write> columns: array<f32>;

var<workgroup> errors_here: array<f32, sum_tile>;

@compute @workgroup_size(sum_threads)
fn sum_columns_of_errors(
  @builtin(workgroup_id) id: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let groups = stream_groups();
  let parts = workgroup_threads / sum_columns;
  let round = id.x / parts;
  let first_column = id.x % parts * sum_columns;
  let first = round * groups;
  // Of this invocation's errors.
  var at = lane / sum_columns * workgroup_threads + first_column + lane % sum_columns;
  let step = sum_threads / sum_columns * workgroup_threads;
${loads("var ")}
  let rows = (groups + workgroup_threads - 1u) / workgroup_threads;
  var sum = 0.0;
  for (var row = 0u; row < rows; row += sum_rows) {
    workgroupBarrier();
${upTo(8).map((i) => `    errors_here[${i}u * sum_threads + lane] = e${i};`).join("\n")}
    workgroupBarrier();
    // While these are on their way, those before them are added up.
    at += 8u * step;
${loads("")}
    if (lane < sum_columns) {
      for (var i = lane; i < sum_tile; i += 64u * sum_columns) {
${upTo(64).map((i) => `        let a${i} = errors_here[i + ${i}u * sum_columns];`).join("\n")}
${upTo(64).map((i) => `        sum += a${i};`).join("\n")}
      }
    }
  }
  if (lane < sum_columns) {
    columns[round * workgroup_threads + first_column + lane] = sum;
  }
}

// One workgroup for each round.
@compute @workgroup_size(workgroup_threads)
fn sum_errors(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let round = id.x;
  let sum = sum_of(columns[round * workgroup_threads + lane], lane);
  if (lane == 0u) {
    sums[round] = sum;
  }
}
`;
}

/** Next errors of an invocation; there are none behind the last group. */
const loads = (variable: string) =>
  upTo(8).map((i) =>
    `    ${variable}e${i} = select(0.0, errors[first + at + ${i}u * step], at + ${i}u * step < groups);`
  ).join("\n");
