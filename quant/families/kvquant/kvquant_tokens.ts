/**
 * The kernel that quantizes tokens of KVQuant whose channels come in fours and fit into the registers of
 * a workgroup, written out for their number: the tensor is read once. What it computes is what
 * `kvquant_quantize.wgsl` does, which takes any number of channels.
 *
 * @module
 */
import { lines, upTo } from "../../gpu/wgsl_lines.ts";
import { folded } from "../../stores/stream/stream_quantize.ts";

/** Invocations of a workgroup (`workgroup_threads`), which has one token. */
const THREADS = 64;

/** Most entries that an invocation has. */
const MOST_ENTRIES = 32;

/**
 * Whether tokens of so many channels can be quantized so.
 *
 * @param farthest the rank, counted from the nearest end, of the farthest value that quantiles need
 */
export function isShortToken(channels: number, headDim: number, farthest: number): boolean {
  return headDim % 4 === 0 && channels <= THREADS * MOST_ENTRIES && farthest < THREADS;
}

/** The tensor, one entry or four entries at a time. */
export const SOURCE = `
@group(0) @binding(3) var<storage, read> source: array<f32>;

fn entry_at(address: u32) -> f32 {
  return source[address];
}
`;

/** As `SOURCE`, for `quantize_tokens`. */
export const SOURCE_QUADS = `
@group(0) @binding(3) var<storage, read> source: array<vec4f>;

fn entry_at(address: u32) -> f32 {
  return source[address >> 2u][address & 3u];
}
`;

/**
 * Text of the kernel `quantize_tokens`, one workgroup per token; it stands behind
 * `kvquant_record.wgsl`.
 */
export function quantizeTokens(channels: number): string {
  const quads = Math.ceil(channels / 4 / THREADS);
  /** Invocations have as many quads as each other, but for the last. */
  const whole = channels / 4 % THREADS === 0;
  const entries = upTo(4 * quads);
  const entry = (i: number) => `x${i >> 2}[${i & 3}]`;
  const here = (q: number) => `has${q}`;
  return `
const token_quads = ${channels / 4}u;
// Of codes of eight bits, the widest.
const packed_words = ${channels / 4}u;

// Keys of every invocation's smallest and largest entries; the latter are turned around, so that the
// outermost is the smallest.
var<workgroup> token_ends: array<vec2u, workgroup_threads>;
// Up to these, keys are looked at.
var<workgroup> end_bounds: array<u32, 2>;
// How many these are, and what they are.
var<workgroup> near_counts: array<atomic<u32>, 2>;
var<workgroup> near_low: array<u32, workgroup_threads>;
var<workgroup> near_high: array<u32, workgroup_threads>;
var<workgroup> packed: array<atomic<u32>, packed_words>;

// Keys among those near the end, of one rank and the next.
fn ranked(key: u32, less: u32, up_to: u32, rank: u32, slot: u32, flips: u32) {
  if (less <= rank && rank < up_to) {
    select_found[slot] = key ^ flips;
  }
}

// The values at the ranks of both quantiles. Every invocation knows its own outermost values, and of
// those the one of the farthest rank has that many values on its far side, or more: what lies beyond it
// need not be looked at.
fn quantile_keys(least: u32, most: u32, ranks: vec4u, lane: u32) {
  let last = 4u * token_quads - 1u;
  token_ends[lane] = vec2u(least, ~most);
  workgroupBarrier();
  let far = vec2u(ranks.y, last - ranks.z);
  let mine = token_ends[lane];
  var less = vec2u(0u);
  var up_to = vec2u(0u);
  for (var other = 0u; other < workgroup_threads; other++) {
    let key = token_ends[other];
    less += select(vec2u(0u), vec2u(1u), key < mine);
    up_to += select(vec2u(0u), vec2u(1u), key <= mine);
  }
  if (less.x <= far.x && far.x < up_to.x) {
    end_bounds[0] = mine.x;
  }
  if (less.y <= far.y && far.y < up_to.y) {
    end_bounds[1] = mine.y;
  }
  workgroupBarrier();
}

// Notes a key that is near an end.
fn note_near(key: u32, bounds: vec2u) {
  if (key <= bounds.x) {
    let at = atomicAdd(&near_counts[0], 1u);
    if (at < workgroup_threads) {
      near_low[at] = key;
    }
  }
  if (~key <= bounds.y) {
    let at = atomicAdd(&near_counts[1], 1u);
    if (at < workgroup_threads) {
      near_high[at] = ~key;
    }
  }
}

fn note_near_quad(x: vec4f, bounds: vec2u) {
  note_near(ordered_key(x.x), bounds);
  note_near(ordered_key(x.y), bounds);
  note_near(ordered_key(x.z), bounds);
  note_near(ordered_key(x.w), bounds);
}

// Finds the ranks among what is near; where that is too much, among all.
fn rank_near(ranks: vec4u, lane: u32) -> vec4f {
  let count = 4u * token_quads;
  workgroupBarrier();
  if (lane == 0u) {
    select_length = max(atomicLoad(&near_counts[0]), atomicLoad(&near_counts[1]));
  }
  if (workgroupUniformLoad(&select_length) > workgroup_threads) {
    radix_select(count, ranks.x, 0u, lane);
    radix_select(count, ranks.y, 1u, lane);
    radix_select(count, ranks.z, 2u, lane);
    radix_select(count, ranks.w, 3u, lane);
  } else {
    let lengths = vec2u(atomicLoad(&near_counts[0]), atomicLoad(&near_counts[1]));
    let mine = vec2u(near_low[lane], near_high[lane]);
    var less = vec2u(0u);
    var up_to = vec2u(0u);
    for (var i = 0u; i < lengths.x; i++) {
      less.x += select(0u, 1u, near_low[i] < mine.x);
      up_to.x += select(0u, 1u, near_low[i] <= mine.x);
    }
    for (var i = 0u; i < lengths.y; i++) {
      less.y += select(0u, 1u, near_high[i] < mine.y);
      up_to.y += select(0u, 1u, near_high[i] <= mine.y);
    }
    if (lane < lengths.x) {
      ranked(mine.x, less.x, up_to.x, ranks.x, 0u, 0u);
      ranked(mine.x, less.x, up_to.x, ranks.y, 1u, 0u);
    }
    if (lane < lengths.y) {
      ranked(mine.y, less.y, up_to.y, count - 1u - ranks.z, 2u, no_key);
      ranked(mine.y, less.y, up_to.y, count - 1u - ranks.w, 3u, no_key);
    }
    workgroupBarrier();
  }
  return vec4f(
    from_ordered_key(select_found[0]),
    from_ordered_key(select_found[1]),
    from_ordered_key(select_found[2]),
    from_ordered_key(select_found[3]),
  );
}

// Outliers of four entries as bits; what the others span is added to a range of keys.
fn outliers_of(x: vec4f, quad: u32, low: f32, high: f32, span: ptr<function, vec2u>) -> u32 {
  var found = 0u;
  for (var i = 0u; i < 4u; i++) {
    let key = ordered_key(x[i]);
    if (is_outlier(4u * quad + i, x[i], low, high)) {
      found |= 1u << i;
    } else {
      *span = vec2u(min((*span).x, key), max((*span).y, key));
    }
  }
  return found;
}

fn note_outliers(quad: u32, found: u32) {
  if (found != 0u) {
    atomicOr(&masks[quad >> 3u], found << (4u * (quad & 7u)));
  }
}

fn put_codes(x: vec4f, quad: u32, found: u32, scale: f32, zero: f32) {
  let index = 4u * quad;
  let row = rows[row_of(index)];
  var part = 0u;
  for (var i = 0u; i < 4u; i++) {
    let code = code_of(row, index + i, x[i], (found & (1u << i)) != 0u, scale, zero);
    part |= code << (i * row.bits);
  }
  let bit = (index - row.first_code) * row.bits;
  let word = row.word_offset + (bit >> 5u);
  let shift = bit & 31u;
  atomicOr(&packed[word], part << shift);
  if (shift + 4u * row.bits > 32u) {
    atomicOr(&packed[word + 1u], part >> (32u - shift));
  }
}

@compute @workgroup_size(workgroup_threads)
fn quantize_tokens(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = flat_workgroup(id, workgroups);
  if (step >= job.tokens) {
    return;
  }
  let token = job.from_token + job.first + step;
  token_address = token * fixed_head_dim;
${
    lines(quads, (q) =>
      `  let quad${q} = lane + ${q}u * workgroup_threads;
  let ${here(q)} = ${whole ? "true" : `quad${q} < token_quads`};
  // Where there is none, one that is does no harm among keys.
  let x${q} = source[address_of(4u * select(${q === 0 ? "0u" : "quad0"}, quad${q}, ${
        here(q)
      })) / 4u];`)
  }
${entries.map((i) => `  let k${i} = ordered_key(${entry(i)});`).join("\n")}
  let least = ${folded("min", entries.map((i) => `k${i}`))};
  let most = ${folded("max", entries.map((i) => `k${i}`))};
  if (!(is_finite_value(from_ordered_key(least)) && is_finite_value(from_ordered_key(most)))) {
${
    entries.map((i) =>
      `    if (!is_finite_value(${entry(i)})) {
      report_not_finite(token, fixed_heads, 4u * quad${i >> 2} / fixed_head_dim);
    }`
    ).join("\n")
  }
  }
  var low = 0.0;
  var high = 0.0;
  if (sparse && !calibrated) {
    let ranks = quantile_ranks(4u * token_quads);
    let own = has0;
    quantile_keys(select(no_key, least, own), select(0u, most, own), ranks, lane);
    let bounds = vec2u(end_bounds[0], end_bounds[1]);
    if (least <= bounds.x || ~most <= bounds.y) {
${lines(quads, (q) => `      if (${here(q)}) { note_near_quad(x${q}, bounds); }`)}
    }
    let found = rank_near(ranks, lane);
    low = between(found.x, found.y, job.low_weight);
    high = between(found.z, found.w, job.high_weight);
  }
  var span = vec2u(no_key, 0u);
${
    lines(quads, (q) =>
      `  var found${q} = 0u;
  if (${here(q)}) { found${q} = outliers_of(x${q}, quad${q}, low, high, &span); }
  note_outliers(quad${q}, found${q});`)
  }
  let mine = ${
    entries.filter((i) => i % 4 === 0).map((i) => `countOneBits(found${i >> 2})`).join(" + ")
  };
  let range = whole_range(mine, span.x, span.y, low, 4u * token_quads);
  note_token(step, range, lane);
${
    lines(quads, (q) =>
      `  if (${here(q)}) { put_codes(x${q}, quad${q}, found${q}, range.x, range.y); }`)
  }
  workgroupBarrier();
  for (var w = lane; w < job.token_words; w += workgroup_threads) {
    codes[(job.first + step) * job.token_words + w] = atomicLoad(&packed[w]);
  }
}
`;
}
