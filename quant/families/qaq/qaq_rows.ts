/**
 * Kernels of QAQ that measure and write groups of some tens of neighbouring entries, such as a head's
 * channels of a token, written out for one group size: a few invocations share a group and have its
 * entries in registers, and a workgroup takes many groups. What they compute, and the order of sums, is
 * that of `qaq_measure.wgsl` and `qaq_write.wgsl`, which take any group.
 *
 * @module
 */
import { halvedSum, lines, upTo } from "../../gpu/wgsl_lines.ts";
import { folded, ORDERED_FLOATS } from "../../stores/stream/stream_quantize.ts";

/** Most ranks from either end of a group that are looked for among the ends of each invocation. */
const MOST_ENDS = 4;

/** Invocations of a workgroup. */
const THREADS = 128;

/** Fours that `sum_of` adds up, each the sum of a group's fours that lie so far from each other. */
const SUMMED = 16;

/** Invocations that share a group, each of which has 32 entries of it or fewer. */
function readersOf(groupSize: number): number {
  return 2 ** Math.ceil(Math.log2(groupSize / 32));
}

/** Groups of a workgroup. */
export function rowGroups(groupSize: number): number {
  return THREADS / readersOf(groupSize);
}

/** Whether groups of this size, with outliers up to so many ranks from an end, can be measured so. */
export function isRow(groupSize: number, farthest: number): boolean {
  return groupSize % 64 === 0 && groupSize <= 256 && farthest < MOST_ENDS;
}

function rowText(groupSize: number): string {
  return `
const row_threads = ${THREADS}u;
const row_readers = ${readersOf(groupSize)}u;
const row_groups = ${rowGroups(groupSize)}u;

// The same binding as \`source\`, four entries at a time.
@group(0) @binding(2) var<storage, read> source_quads: array<vec4f>;
`;
}

/** Where an invocation's group is; all have to come to the barriers, those behind the last group, too. */
const PLACE = `
  let row = thread / row_readers;
  let reader = thread % row_readers;
  let place = flat_workgroup(id, workgroups) * row_groups + row;
  let count = job.tokens * fixed_groups;
  let index = min(place, count - 1u);
  group_entry = index % fixed_groups * fixed_group_size;
  group_token = index / fixed_groups;`;

/**
 * Text of the kernel `measure_rows`, one workgroup per `rowGroups` groups; it stands behind
 * `qaq_record.wgsl`.
 *
 * @param lows how many of the smallest entries have to be known to find the outliers, 0 for none
 * @param highs how many of the largest
 */
export function measureRows(groupSize: number, lows: number, highs: number): string {
  const readers = readersOf(groupSize);
  const quads = groupSize / (4 * readers);
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
  const ends = [
    ...upTo(lows).map((e) => ({ name: `low${e}`, none: "0x7fffffff" })),
    ...upTo(highs).map((e) => ({ name: `high${e}`, none: "-0x7fffffff - 1" })),
  ];
  const others = upTo(readers);
  /** Sums of fours that lie \`SUMMED\` from each other, of which an invocation has all. */
  const summed = SUMMED / readers;
  const inner = (by: "min" | "max", part: string) =>
    folded(by, others.map((r) => `row_inner[row][${r}u].${part}`));
  return `
${rowText(groupSize)}
const row_ends = ${Math.max(1, ends.length)}u;
${ORDERED_FLOATS}
// Keys of every invocation's smallest and largest entries.
var<workgroup> end_keys: array<array<array<i32, row_ends>, row_readers>, row_groups>;
// Of every invocation, without outliers: sums, smallest and largest keys; and how many outliers it has.
var<workgroup> row_sums: array<array<vec4f, row_readers>, row_groups>;
var<workgroup> row_inner: array<array<vec3i, row_readers>, row_groups>;

// What four entries without their outliers add to the smallest and largest keys and to the outliers.
fn inner_of(inner: vec3i, keys: vec4i, outliers: vec4<bool>) -> vec3i {
  let low = select(keys, vec4i(0x7fffffff), outliers);
  let high = select(keys, vec4i(-0x7fffffff - 1), outliers);
  let ones = select(vec4i(0), vec4i(1), outliers);
  return vec3i(
    min(inner.x, min(min(low.x, low.y), min(low.z, low.w))),
    max(inner.y, max(max(high.x, high.y), max(high.z, high.w))),
    inner.z + ((ones.x + ones.y) + (ones.z + ones.w)),
  );
}

@compute @workgroup_size(row_threads)
fn measure_rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {${PLACE}
${
    lines(quads, (q) =>
      `  let x${q} = source_quads[address_of(4u * (reader + ${q}u * row_readers)) / 4u];`)
  }
${lines(entries.length, (i) => `  let k${i} = ordered(${entry(i)});`)}
  let least = ${folded("min", entries.map((i) => `k${i}`))};
  let most = ${folded("max", entries.map((i) => `k${i}`))};
  if (!(is_finite_value(float_of(least)) && is_finite_value(float_of(most)))) {
    let heads = fixed_groups * fixed_group_size / fixed_head_dim;
${
    lines(entries.length, (i) =>
      `    if (!is_finite_value(${entry(i)})) {
      let entry = group_entry + 4u * (reader + ${i >> 2}u * row_readers);
      report_not_finite(job.first + group_token, heads, entry / fixed_head_dim);
    }`)
  }
  }
  var low = 0.0;
  var high = 0.0;
  if (sparse) {
${ends.map(({ name, none }) => `    var ${name}: i32 = ${none};`).join("\n")}
${
    entries.map((i) => `${insert("low", lows, `k${i}`)}\n${insert("high", highs, `k${i}`)}`).join(
      "\n",
    )
  }
${ends.map(({ name }, e) => `    end_keys[row][reader][${e}] = ${name};`).join("\n")}
    workgroupBarrier();
${ends.map(({ name, none }) => `    ${name} = ${none};`).join("\n")}
${
    others.map((r) =>
      ends.map(({ name }, e) =>
        name.startsWith("low")
          ? insert("low", lows, `end_keys[row][${r}][${e}]`)
          : insert("high", highs, `end_keys[row][${r}][${e}]`)
      ).join("\n")
    ).join("\n")
  }
${lows === 0 ? "" : `    low = float_of(low${lows - 1});`}
${highs === 0 ? "" : `    high = float_of(high${highs - 1});`}
  }
${lines(summed, (s) => `  var sum${s} = vec4f(0.0);`)}
  var inner = vec3i(0x7fffffff, -0x7fffffff - 1, 0);
${
    lines(quads, (q) =>
      `  let o${q} = vec4<bool>(
    is_outlier(x${q}.x, low, high),
    is_outlier(x${q}.y, low, high),
    is_outlier(x${q}.z, low, high),
    is_outlier(x${q}.w, low, high),
  );
  sum${q % summed} += select(x${q}, vec4f(0.0), o${q});
  inner = inner_of(inner, vec4i(k${4 * q}, k${4 * q + 1}, k${4 * q + 2}, k${4 * q + 3}), o${q});`)
  }
  row_sums[row][reader] = ${halvedSum(0, 1, summed, (s) => `sum${s}`)};
  row_inner[row][reader] = inner;
  workgroupBarrier();
  if (reader > 0u || place >= count) {
    return;
  }
  let outliers = u32(${others.map((r) => `row_inner[row][${r}u].z`).join(" + ")});
  let kept = fixed_group_size - outliers;
  var mean = 0.0;
  var range = 0.0;
  if (kept > 0u) {
    let parts = ${halvedSum(0, 1, readers, (r) => `row_sums[row][${r}u]`)};
    mean = ((parts.x + parts.z) + (parts.y + parts.w)) / f32(kept);
    range = range_of(float_of(${inner("min", "x")}), float_of(${inner("max", "y")}));
  }
  note_group(index, mean, range, 0.0, low, high, outliers);
}
`;
}

/** Text of the kernel `write_rows`, which stands behind `qaq_write.wgsl`. */
export function writeRows(groupSize: number): string {
  const readers = readersOf(groupSize);
  const quads = groupSize / (4 * readers);
  return `
${rowText(groupSize)}
var<workgroup> row_outliers: array<array<u32, row_readers>, row_groups>;

// Outliers of four entries as bits.
fn outlier_bits(x: vec4f, record: Record) -> u32 {
  let out = vec4<bool>(
    is_outlier(x.x, record.low, record.high),
    is_outlier(x.y, record.low, record.high),
    is_outlier(x.z, record.low, record.high),
    is_outlier(x.w, record.low, record.high),
  );
  let bits = select(vec4u(0u), vec4u(1u, 2u, 4u, 8u), out);
  return bits.x | bits.y | bits.z | bits.w;
}

// A word that codes are put into, and how many bits it has.
struct Filling {
  at: u32,
  fill: u32,
  word: u32,
}

// Adds some bits, 32 at most.
fn append(filling: ptr<function, Filling>, bits: u32, count: u32) {
  let fill = (*filling).fill;
  (*filling).word |= bits << fill;
  (*filling).fill = fill + count;
  if (fill + count >= 32u) {
    write_word((*filling).at, (*filling).word);
    (*filling).at++;
    (*filling).fill = fill + count - 32u;
    (*filling).word = select(bits >> (32u - fill), 0u, fill == 0u);
  }
}

// Codes of four entries but for their outliers.
fn append_quad(filling: ptr<function, Filling>, record: Record, x: vec4f, out: u32) {
  let width = record.bits;
  let four = codes_of(record, x);
  let there = (vec4u(out) & vec4u(1u, 2u, 4u, 8u)) == vec4u(0u);
  if (width > 8u) {
    append_entry(filling, four.x, width, there.x);
    append_entry(filling, four.y, width, there.y);
    append_entry(filling, four.z, width, there.z);
    append_entry(filling, four.w, width, there.w);
    return;
  }
  // Each behind those before it that are there.
  let widths = select(vec4u(0u), vec4u(width), there);
  let kept = select(vec4u(0u), four, there);
  let third = widths.x + widths.y;
  let last = third + widths.z;
  let bits = kept.x | kept.y << widths.x | kept.z << third | kept.w << last;
  append(filling, bits, last + widths.w);
}

fn append_entry(filling: ptr<function, Filling>, code: u32, width: u32, there: bool) {
  if (there) {
    append(filling, code, width);
  }
}

@compute @workgroup_size(row_threads)
fn write_rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {${PLACE}
  let record = records[index];
  let first = ${4 * quads}u * reader;
${lines(quads, (q) => `  let x${q} = source_quads[address_of(first + ${4 * q}u) / 4u];`)}
  let out = ${upTo(quads).map((q) => `outlier_bits(x${q}, record) << ${4 * q}u`).join(" |\n    ")};
  row_outliers[row][reader] = countOneBits(out);
  workgroupBarrier();
  if (place >= count) {
    return;
  }
  let before = ${
    upTo(readers).map((r) => `select(0u, row_outliers[row][${r}u], reader > ${r}u)`).join(
      " +\n    ",
    )
  };
  var outlier = record.outlier + before;
  for (var left = out; left != 0u; left &= left - 1u) {
    let i = first + firstTrailingBit(left);
    put_outlier(outlier, source_quads[address_of(i) / 4u][i & 3u], i);
    outlier++;
  }
  if (record.bits > 0u) {
    let bit = record.code_bit + (first - before) * record.bits;
    var filling = Filling(bit >> 5u, bit & 31u, 0u);
${lines(quads, (q) => `    append_quad(&filling, record, x${q}, (out >> ${4 * q}u) & 15u);`)}
    write_word(filling.at, filling.word);
  }
  if (reader == 0u) {
    note_exception(record, index);
  }
}
`;
}
