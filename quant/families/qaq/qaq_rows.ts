/**
 * Kernels of QAQ that measure and write groups of some tens of neighbouring entries, such as a head's
 * channels of a token, written out for one group size: sixteen invocations share a group and have its
 * entries in registers, and a workgroup takes as many groups as it has sixteens. What they compute, and
 * the order of sums, is that of `qaq_measure.wgsl` and `qaq_write.wgsl`, which take any group.
 *
 * @module
 */
import { lines, upTo } from "../../gpu/wgsl_lines.ts";
import { folded, ORDERED_FLOATS } from "../../stores/stream/stream_quantize.ts";

/** Most ranks from either end of a group that are looked for among the ends of each invocation. */
const MOST_ENDS = 4;

/** Invocations of a workgroup, and those that share a group. */
const THREADS = 128;
const LANES = 16;

/** Groups of a workgroup. */
export const ROW_GROUPS = THREADS / LANES;

/** Whether groups of this size, with outliers up to so many ranks from an end, can be measured so. */
export function isRow(groupSize: number, farthest: number): boolean {
  return groupSize % 64 === 0 && groupSize <= 256 && farthest < MOST_ENDS;
}

/** Sum over the sixteen of a group as `sum_of` adds up 64 values, of which each has four. */
function treeSum(value: (lane: number) => string): string {
  const sum = (lane: number, step: number): string =>
    step === LANES ? value(lane) : `(${sum(lane, 2 * step)} + ${sum(lane + step, 2 * step)})`;
  return sum(0, 1);
}

const ROW_TEXT = `
const row_threads = ${THREADS}u;
const row_lanes = ${LANES}u;
const row_groups = ${ROW_GROUPS}u;

// The same binding as \`source\`, four entries at a time.
@group(0) @binding(2) var<storage, read> source_quads: array<vec4f>;
`;

/**
 * Text of the kernel `measure_rows`, one workgroup per `ROW_GROUPS` groups; it stands behind
 * `qaq_record.wgsl`.
 *
 * @param lows how many of the smallest entries have to be known to find the outliers, 0 for none
 * @param highs how many of the largest
 */
export function measureRows(groupSize: number, lows: number, highs: number): string {
  const quads = groupSize / (4 * LANES);
  const entries = upTo(4 * quads);
  const entry = (i: number) => `x${i >> 2}[${i & 3}]`;
  /** Puts a key among the few smallest or largest. */
  const insert = (name: "low" | "high", count: number, key: string) => {
    const [by, other] = name === "low" ? ["min", "max"] : ["max", "min"];
    return upTo(count).reverse().map((e) => {
      const put = e === 0 ? key : `${other}(${name}${e - 1}, ${key})`;
      return `    ${name}${e} = ${by}(${name}${e}, ${put});`;
    }).join("\n");
  };
  const none = { low: "0x7fffffff", high: "-0x7fffffff - 1" };
  const declare = (name: "low" | "high", count: number) =>
    lines(count, (e) => `    var ${name}${e}: i32 = ${none[name]};`);
  const put = (name: "low" | "high", count: number) =>
    lines(count, (e) => `    ${name}_ends[${e}u * row_threads + thread] = ${name}${e};`);
  const found = (name: "low" | "high", count: number, at: string) => `
${declare(name, count)}
    for (var i = group * row_lanes; i < (group + 1u) * row_lanes; i++) {
${lines(count, (e) => insert(name, count, `${name}_ends[${e}u * row_threads + i]`))}
    }
    row_bounds[${at}] = float_of(${name}${count - 1});`;
  const others = (value: string) =>
    upTo(LANES).map((lane) => value.replace("LANE", `(first_lane + ${lane}u)`));
  return `
${ROW_TEXT}
const row_lows = ${Math.max(1, lows) * THREADS}u;
const row_highs = ${Math.max(1, highs) * THREADS}u;
const row_sides = ${2 * ROW_GROUPS}u;
const row_parts = ${4 * ROW_GROUPS}u;
${ORDERED_FLOATS}
// Keys of every invocation's smallest and largest entries.
var<workgroup> low_ends: array<i32, row_lows>;
var<workgroup> high_ends: array<i32, row_highs>;
// Of every group: what is at most the first is an outlier, and what is above the second.
var<workgroup> row_bounds: array<f32, row_sides>;
// Without outliers: sums, smallest and largest keys; and how many outliers there are.
var<workgroup> row_sums: array<vec4f, row_threads>;
var<workgroup> row_inner: array<vec3i, row_threads>;
var<workgroup> part_sums: array<f32, row_parts>;
var<workgroup> part_inner: array<i32, row_parts>;

@compute @workgroup_size(row_threads)
fn measure_rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = flat_workgroup(id, workgroups) * row_groups;
  let count = job.tokens * fixed_groups;
  let lane = thread % row_lanes;
  // All have to come to the barriers.
  let index = min(first + thread / row_lanes, count - 1u);
  group_entry = index % fixed_groups * fixed_group_size;
  group_token = index / fixed_groups;
${
    lines(quads, (q) =>
      `  let x${q} = source_quads[address_of(4u * (lane + ${q}u * row_lanes)) / 4u];`)
  }
${lines(entries.length, (i) => `  let k${i} = ordered(${entry(i)});`)}
  let least = ${folded("min", entries.map((i) => `k${i}`))};
  let most = ${folded("max", entries.map((i) => `k${i}`))};
  if (!(is_finite_value(float_of(least)) && is_finite_value(float_of(most)))) {
    let heads = fixed_groups * fixed_group_size / fixed_head_dim;
${
    lines(entries.length, (i) =>
      `    if (!is_finite_value(${entry(i)})) {
      let entry = group_entry + 4u * (lane + ${i >> 2}u * row_lanes);
      report_not_finite(job.first + group_token, heads, entry / fixed_head_dim);
    }`)
  }
  }
  if (sparse) {
${declare("low", lows)}
${declare("high", highs)}
${
    entries.map((i) => `${insert("low", lows, `k${i}`)}\n${insert("high", highs, `k${i}`)}`).join(
      "\n",
    )
  }
${put("low", lows)}
${put("high", highs)}
  }
  workgroupBarrier();
  // In different halves of the workgroup, so that they need not wait for each other.
  if (sparse && thread < row_groups) {
    let group = thread;${lows === 0 ? "" : found("low", lows, "group")}
  } else if (sparse && thread >= row_threads / 2u && thread < row_threads / 2u + row_groups) {
    let group = thread - row_threads / 2u;${
    highs === 0 ? "" : found("high", highs, "row_groups + group")
  }
  }
  workgroupBarrier();
  let low = row_bounds[thread / row_lanes];
  let high = row_bounds[row_groups + thread / row_lanes];
  var sums = vec4f(0.0);
  var inner = vec3i(${none.low}, ${none.high}, 0);
${
    lines(quads, (q) => {
      const of = upTo(4).map((c) => 4 * q + c);
      return `${of.map((i) => `  let o${i} = is_outlier(${entry(i)}, low, high);`).join("\n")}
  let o${4 * q}_3 = vec4<bool>(${of.map((i) => `o${i}`).join(", ")});
  sums += select(x${q}, vec4f(0.0), o${4 * q}_3);
${
        of.map((i) =>
          `  inner = select(
    vec3i(min(inner.x, k${i}), max(inner.y, k${i}), inner.z),
    vec3i(inner.xy, inner.z + 1),
    o${i},
  );`
        ).join("\n")
      }`;
    })
  }
  row_sums[thread] = sums;
  row_inner[thread] = inner;
  workgroupBarrier();
  if (thread < row_parts) {
    let first_lane = thread / 4u * row_lanes;
    let part = thread % 4u;
    part_sums[thread] = ${treeSum((lane) => `row_sums[first_lane + ${lane}u][part]`)};
    if (part == 0u) {
      part_inner[thread] = ${folded("min", others("row_inner[LANE].x"))};
    } else if (part == 1u) {
      part_inner[thread] = ${folded("max", others("row_inner[LANE].y"))};
    } else if (part == 2u) {
      part_inner[thread] = ${others("row_inner[LANE].z").join(" + ")};
    }
  }
  workgroupBarrier();
  if (thread >= row_groups || first + thread >= count) {
    return;
  }
  let part = 4u * thread;
  let outliers = u32(part_inner[part + 2u]);
  let kept = fixed_group_size - outliers;
  var mean = 0.0;
  var range = 0.0;
  if (kept > 0u) {
    let sum = (part_sums[part] + part_sums[part + 2u]) + (part_sums[part + 1u] + part_sums[part + 3u]);
    mean = sum / f32(kept);
    range = range_of(float_of(part_inner[part]), float_of(part_inner[part + 1u]));
  }
  group_entry = (first + thread) % fixed_groups * fixed_group_size;
  group_token = (first + thread) / fixed_groups;
  let bounds = vec2f(row_bounds[thread], row_bounds[row_groups + thread]);
  note_group(first + thread, mean, range, 0.0, bounds.x, bounds.y, outliers);
}
`;
}

/** Text of the kernel `write_rows`, which stands behind `qaq_write.wgsl`. */
export function writeRows(groupSize: number): string {
  const quads = groupSize / (4 * LANES);
  const entry = (i: number) => `x${i >> 2}[${i & 3}]`;
  const entries = upTo(4 * quads);
  return `
${ROW_TEXT}
var<workgroup> row_outliers: array<u32, row_threads>;

@compute @workgroup_size(row_threads)
fn write_rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let place = flat_workgroup(id, workgroups) * row_groups + thread / row_lanes;
  let count = job.tokens * fixed_groups;
  let lane = thread % row_lanes;
  // All have to come to the barrier.
  let index = min(place, count - 1u);
  group_entry = index % fixed_groups * fixed_group_size;
  group_token = index / fixed_groups;
  let record = records[index];
  let first = ${entries.length}u * lane;
${lines(quads, (q) => `  let x${q} = source_quads[address_of(first + ${4 * q}u) / 4u];`)}
  row_outliers[thread] = ${
    entries.map((i) => `select(0u, 1u, is_outlier(${entry(i)}, record.low, record.high))`).join(
      " +\n    ",
    )
  };
  workgroupBarrier();
  if (place >= count) {
    return;
  }
  var before = 0u;
  for (var other = 0u; other < lane; other++) {
    before += row_outliers[thread - lane + other];
  }
  var writing = Writing(before, 0u, 0u);
${lines(entries.length, (i) => `  put_entry(record, ${entry(i)}, first + ${i}u, &writing);`)}
  write_word(writing.at, writing.word);
  if (lane == 0u) {
    note_exception(record, index);
  }
}
`;
}
