/**
 * The kernel that quantizes groups of neighbouring entries where the entries of a store are one stream,
 * and with them its codes and its groups. It is written out for one group size and width: an invocation
 * has the entries of whole words in registers, so that the tensor is read once, and what is done once a
 * group is done for many entries.
 *
 * @module
 */
import { lines, upTo } from "../../gpu/wgsl_lines.ts";
import { exactCodes, quotientCodes } from "./packed_codes.ts";

/** Invocations of a workgroup. */
const THREADS = 128;

/** Narrower codes are found as fast exactly (PERFORMANCE.md). */
const LEAST_QUICK_BITS = 4;

/** How groups of a stream are quantized. */
export interface StreamCodes {
  readonly groupSize: number;
  readonly bits: number;
  /** Whether codes are quotients; then there stands `quick_fits`, too (packed_codes.ts). */
  readonly quotients: boolean;
}

const isQuick = ({ bits, quotients }: StreamCodes) => quotients && bits >= LEAST_QUICK_BITS;

/** Entries that an invocation takes: as few as fill whole words, but 16 or more where each is much work. */
export function streamEntries(codes: StreamCodes): number {
  const { groupSize, bits } = codes;
  if (isQuick(codes) && 8 * bits % 32 === 0 && groupSize <= 64) return 8;
  return 16 * bits % 32 === 0 ? 16 : 32;
}

/** Whether the kernel can be written out for a stream of groups of this size, and codes of this width. */
export function quantizesStream(codes: StreamCodes, headDim: number): boolean {
  const { groupSize } = codes;
  const entries = streamEntries(codes);
  return groupSize % 4 === 0 && headDim % entries === 0 &&
    (entries % groupSize === 0 ||
      groupSize % entries === 0 && THREADS % (groupSize / entries) === 0);
}

const cached = new Map<string, string>();

/**
 * Text of the kernel `quantize_stream`. Before it stand
 *
 *     fn stream_entries() -> u32                          entries to quantize
 *     fn stream_quad(position: u32) -> u32                where an entry's four are in `source`
 *     fn stream_first_word() -> u32
 *     fn stream_first_group() -> u32
 *     fn report_entry(position: u32)                      that one is not finite
 *     fn fit_entries(low: f32, high: f32, group: u32) -> vec2f
 *     fn has_codes(fitted: vec2f) -> bool                 else they are all 0
 *     fn code_entry(x: f32, fitted: vec2f) -> u32
 *     fn store_fitted(group: u32, fitted: vec2f)
 */
export function streamQuantize(codes: StreamCodes): string {
  const key = JSON.stringify([codes.groupSize, codes.bits, codes.quotients]);
  let text = cached.get(key);
  if (text === undefined) cached.set(key, text = written(codes));
  return text;
}

/** A name for one entry of those in registers. */
const entry = (i: number) => `x${i >> 2}[${i & 3}]`;

/** `min` or `max` over a list, in few steps that wait for each other. */
export function folded(by: "min" | "max", list: readonly string[]): string {
  const half = list.length >> 1;
  if (half === 0) return list[0]!;
  return `${by}(${folded(by, list.slice(0, half))}, ${folded(by, list.slice(half))})`;
}

/** Floats in their order as integers, -0 below 0, and back. */
export const ORDERED_FLOATS = `
fn ordered(x: f32) -> i32 {
  let bits = bitcast<i32>(x);
  return bits ^ ((bits >> 31u) & 0x7fffffff);
}

fn float_of(key: i32) -> f32 {
  return bitcast<f32>(key ^ ((key >> 31u) & 0x7fffffff));
}
`;

function written(how: StreamCodes): string {
  const { groupSize, bits } = how;
  const entries = streamEntries(how);
  /** Invocations that share a group, or groups that one has. */
  const lanes = Math.max(1, groupSize / entries);
  const groups = Math.max(1, entries / groupSize);
  const size = entries / groups;
  const words = entries * bits / 32;
  const keysOf = (group: number) => upTo(size).map((i) => `ordered(${entry(group * size + i)})`);
  const codes = isQuick(how) ? quotientCodes : exactCodes;
  return `
const stream_threads = ${THREADS}u;

@group(0) @binding(3) var<storage, read> source: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
${
    lanes === 1 ? "" : `
var<workgroup> lows: array<i32, stream_threads>;
var<workgroup> highs: array<i32, stream_threads>;
`
  }${ORDERED_FLOATS}
@compute @workgroup_size(stream_threads)
fn quantize_stream(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups) * stream_threads + lane;
  let here = index < stream_entries() / ${entries}u;
  // All have to come to the barrier.
  let position = select(0u, index * ${entries}u, here);
  let quad = stream_quad(position);
${lines(entries / 4, (q) => `  let x${q} = source[quad + ${q}u];`)}
${
    lines(groups, (g) =>
      `  var low${g} = ${folded("min", keysOf(g))};
  var high${g} = ${folded("max", keysOf(g))};
  if (!(is_finite_value(float_of(low${g})) && is_finite_value(float_of(high${g})))) {
    report_entry(position);
  }`)
  }
${
    lanes === 1 ? "" : `  lows[lane] = low0;
  highs[lane] = high0;
  workgroupBarrier();
  let others = lane / ${lanes}u * ${lanes}u;
  low0 = ${folded("min", upTo(lanes).map((i) => `lows[others + ${i}u]`))};
  high0 = ${folded("max", upTo(lanes).map((i) => `highs[others + ${i}u]`))};`
  }
  if (!here) {
    return;
  }
  let group = stream_first_group() + position / ${groupSize}u;
${
    lines(groups, (g) =>
      `  let fitted${g} = fit_entries(float_of(low${g}), float_of(high${g}), group + ${g}u);
  let coded${g} = has_codes(fitted${g});`)
  }
${
    lanes === 1
      ? lines(groups, (g) => `  store_fitted(group + ${g}u, fitted${g});`)
      : `  if (lane == others) {
    store_fitted(group, fitted0);
  }`
  }
  let top_code = f32(fixed_top_code);
  let word = stream_first_word() + index * ${words}u;
${
    codes({
      count: entries,
      bits,
      groupSize: size,
      entry,
      stored: "source[quad + (i >> 2u)][i & 3u]",
      word: "word",
    })
  }
}
`;
}
