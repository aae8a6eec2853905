/**
 * The kernel that quantizes tokens of KVQuant whose channels come in fours and fit into the registers of
 * a workgroup, written out for their number and for the widths of their codes: the tensor is read once.
 * What it computes is what `kvquant_quantize.wgsl` does, which takes any number of channels.
 *
 * @module
 */
import { lines, upTo } from "../../gpu/wgsl_lines.ts";
import { folded } from "../../stores/stream/stream_quantize.ts";
import type { TokenRows } from "./kvquant_settings.ts";

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
  return headDim % 4 === 0 && channels <= THREADS * MOST_ENTRIES &&
    farthest < Math.min(THREADS, channels / 4);
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

/** Codes up to this width are found among boundaries in registers. */
const MOST_HELD_BITS = 4;

/** WGSL of `code`, how many of the held boundaries of a width are below each of four numbers `z`. */
function heldCode(bits: number): string {
  // The bits of a code from the highest on, each by the boundary that those above it choose.
  const boundary = (bit: number, above: number, code: number): string =>
    above === bit
      ? `vec4f(bound${code + 2 ** bit - 1})`
      : `select(${boundary(bit, above - 1, code)}, ${
        boundary(bit, above - 1, code + 2 ** above)
      }, above${above})`;
  const descending = upTo(bits).reverse();
  return `${
    descending.map((bit) => `  let above${bit} = z > ${boundary(bit, bits - 1, 0)};`).join("\n")
  }
  let code = ${
    descending.map((bit) => `select(vec4u(0u), vec4u(${2 ** bit}u), above${bit})`).join(" |\n    ")
  };`;
}

/** Names of the boundaries of a width that are held, and what they are read from. */
function heldBounds(bits: number | undefined): string[] {
  return bits === undefined ? [] : upTo(2 ** bits - 1).map((i) => `bound${i}`);
}

/** WGSL of `put_quad`, which puts the codes of four entries where they belong. */
function putQuad(bits: number | undefined): string {
  const parameters = [
    "x: vec4f",
    "quad: u32",
    "found: u32",
    "range: vec2f",
    "row: CodeRow",
    ...heldBounds(bits).map((bound) => `${bound}: f32`),
  ];
  return `
fn put_quad(
  ${parameters.join(",\n  ")},
) {
  let width = ${bits === undefined ? "row.bits" : `${bits}u`};
  let top_code = f32((1u << width) - 1u);
  let z = quad_steps(x, 4u * quad, range, top_code);
  var found_codes = vec4u(0u);
  if (whole) {
    found_codes = vec4u(clamp(round(z), vec4f(0.0), vec4f(top_code)));
  } else {
${
    bits !== undefined ? heldCode(bits) : `  let code = vec4u(
    code_below(row, z.x),
    code_below(row, z.y),
    code_below(row, z.z),
    code_below(row, z.w),
  );`
  }
    found_codes = code;
  }
  let masked = (vec4u(found) & vec4u(1u, 2u, 4u, 8u)) != vec4u(0u);
  found_codes = select(found_codes, vec4u(row.masked_code), masked);
  let part = found_codes.x | found_codes.y << width | found_codes.z << (2u * width) |
    found_codes.w << (3u * width);
  let bit = (4u * quad - row.first_code) * width;
  let word = row.word_offset + (bit >> 5u);
  let shift = bit & 31u;
  atomicOr(&packed[word], part << shift);
  if (shift + 4u * width > 32u) {
    atomicOr(&packed[word + 1u], part >> (32u - shift));
  }
}
`;
}

/**
 * Text of the kernel `quantize_tokens`, one workgroup per token; it stands behind
 * `kvquant_record.wgsl`. It is the same for all layouts but those of one narrow width, whose boundaries
 * are held in registers.
 */
export function quantizeTokens(channels: number, { rows, words }: TokenRows): string {
  const quads = Math.ceil(channels / 4 / THREADS);
  /** Invocations have as many quads as each other, but for the last. */
  const whole = channels / 4 % THREADS === 0;
  const [{ bits } = { bits: Infinity }] = rows;
  const width = rows.length === 1 && bits <= MOST_HELD_BITS ? bits : undefined;
  const entries = upTo(4 * quads);
  const entry = (i: number) => `x${i >> 2}[${i & 3}]`;
  const has = (q: number) => whole ? "" : `if (quad${q} < token_quads) `;
  /** Keys of an invocation that are near an end, as bits. */
  const near = (compared: (key: string) => string) =>
    lines(quads, (q) => {
      const of = upTo(4).map((c) => 4 * q + c);
      const bits = of.map((i) => `select(0u, ${2 ** i}u, ${compared(`k${i}`)})`).join(
        " |\n        ",
      );
      return `      ${has(q)}{ near |= ${bits}; }`;
    });
  const put = (q: number) =>
    `put_quad(${
      [`x${q}`, `quad${q}`, `found${q}`, "range", "row", ...heldBounds(width)].join(", ")
    });`;
  return `
const token_quads = ${channels / 4}u;
// Of codes of eight bits, the widest, where there may be others.
const packed_words = ${width === undefined ? channels / 4 : words}u;
// Keys near an end that are ranked one by one.
const near_room = 64u;

// Keys of every invocation's smallest and largest entries; the latter are turned around, so that the
// outermost is the smallest.
var<workgroup> token_ends: array<vec2u, workgroup_threads>;
// Up to these, keys are looked at.
var<workgroup> end_bounds: array<atomic<u32>, 2>;
// How many these are, and what they are.
var<workgroup> near_counts: array<atomic<u32>, 2>;
var<workgroup> near_keys: array<array<u32, near_room>, 2>;
// Keys of the four ranks that quantiles need.
var<workgroup> quantile_keys: array<u32, 4>;
var<workgroup> crowd: u32;
// Where there is a crowd: how many keys are up to the one that is tried, and the nearest above those.
var<workgroup> tried_counts: array<atomic<u32>, 66>;
var<workgroup> nearest_above: array<atomic<u32>, 2>;
var<workgroup> packed: array<atomic<u32>, packed_words>;

// Of every invocation's outermost keys, the one of the farthest rank has that many keys on its far side,
// or more: what lies beyond it need not be looked at.
fn find_bounds(least: u32, most: u32, far: vec2u, lane: u32) {
  let mine = vec2u(least, ~most);
  token_ends[lane] = mine;
  workgroupBarrier();
  var less = vec2u(0u);
${lines(THREADS, (i) => `  less += select(vec2u(0u), vec2u(1u), token_ends[${i}u] < mine);`)}
  if (less.x <= far.x) {
    atomicMax(&end_bounds[0], mine.x);
  }
  if (less.y <= far.y) {
    atomicMax(&end_bounds[1], mine.y);
  }
  workgroupBarrier();
}

// Notes an invocation's keys near one end, of which \`near\` has bits.
fn note_near(near: u32, end: u32, lane: u32) {
  var at = atomicAdd(&near_counts[end], countOneBits(near));
  for (var left = near; left != 0u; left &= left - 1u) {
    let i = firstTrailingBit(left);
    let x = element(4u * (lane + (i >> 2u) * workgroup_threads) + (i & 3u));
    if (at < near_room) {
      near_keys[end][at] = ordered_key(x) ^ (0u - end);
    }
    at++;
  }
}

// Ranks what is near: half of the invocations have the smallest, the others the largest.
fn rank_near(ranks: vec4u, lane: u32) {
  let last = 4u * token_quads - 1u;
  let end = lane / (workgroup_threads / 2u);
  let wanted = select(ranks.xy, vec2u(last - ranks.z, last - ranks.w), end == 1u);
  let length = atomicLoad(&near_counts[end]);
  for (var i = lane % (workgroup_threads / 2u); i < length; i += workgroup_threads / 2u) {
    let mine = near_keys[end][i];
    var less = 0u;
    var up_to = 0u;
    for (var other = 0u; other < length; other++) {
      let key = near_keys[end][other];
      less += select(0u, 1u, key < mine);
      up_to += select(0u, 1u, key <= mine);
    }
    for (var w = 0u; w < 2u; w++) {
      if (less <= wanted[w] && wanted[w] < up_to) {
        quantile_keys[2u * end + w] = mine ^ (0u - end);
      }
    }
  }
}

// The same among all keys, bit by bit, where too many are near: many of them are equal then.
fn search_all(ranks: vec4u, lane: u32) {
  let last = 4u * token_quads - 1u;
  // The outer rank of each end, and the inner one.
  let outer = vec2u(ranks.x, last - ranks.w);
  let inner = vec2u(ranks.y, last - ranks.z);
  var found = vec2u(0u);
  for (var digit = 0u; digit <= 32u; digit++) {
    let bit = (1u << 31u) >> digit;
    let tried = select(found | vec2u(bit - 1u), found, digit == 32u);
    var up_to = vec2u(0u);
    var above = vec2u(no_key);
    for (var i = lane; i <= last; i += workgroup_threads) {
      let key = ordered_key(element(i));
      let both = vec2u(key, ~key);
      up_to += select(vec2u(0u), vec2u(1u), both <= tried);
      above = min(above, select(both, vec2u(no_key), both <= tried));
    }
    atomicAdd(&tried_counts[2u * digit], up_to.x);
    atomicAdd(&tried_counts[2u * digit + 1u], up_to.y);
    if (digit == 32u) {
      atomicMax(&nearest_above[0], ~above.x);
      atomicMax(&nearest_above[1], ~above.y);
    }
    workgroupBarrier();
    let counts = vec2u(
      atomicLoad(&tried_counts[2u * digit]),
      atomicLoad(&tried_counts[2u * digit + 1u]),
    );
    if (digit < 32u) {
      found |= select(vec2u(0u), vec2u(bit), counts <= outer);
    } else if (lane == 0u) {
      let above = vec2u(~atomicLoad(&nearest_above[0]), ~atomicLoad(&nearest_above[1]));
      let next = select(found, above, counts <= inner);
      quantile_keys[0] = found.x;
      quantile_keys[1] = next.x;
      quantile_keys[2] = ~next.y;
      quantile_keys[3] = ~found.y;
    }
  }
}

// Outliers of four entries as bits.
fn outliers_of(x: vec4f, quad: u32, low: f32, high: f32) -> u32 {
  if (!sparse) {
    return 0u;
  }
  var out = (x <= vec4f(low)) | (x >= vec4f(high));
  if (calibrated) {
    let c0 = channels[4u * quad];
    let c1 = channels[4u * quad + 1u];
    let c2 = channels[4u * quad + 2u];
    let c3 = channels[4u * quad + 3u];
    out = (x < vec4f(c0.x, c1.x, c2.x, c3.x)) | (x > vec4f(c0.y, c1.y, c2.y, c3.y));
  }
  let bits = select(vec4u(0u), vec4u(1u, 2u, 4u, 8u), out);
  return bits.x | bits.y | bits.z | bits.w;
}

fn note_outliers(quad: u32, found: u32) {
  if (found != 0u) {
    atomicOr(&masks[quad >> 3u], found << (4u * (quad & 7u)));
  }
}

// What four entries without their outliers span, added to a range of keys.
fn spanned(span: vec2u, x: vec4f, found: u32) -> vec2u {
  let keys = vec4u(ordered_key(x.x), ordered_key(x.y), ordered_key(x.z), ordered_key(x.w));
  let out = (vec4u(found) & vec4u(1u, 2u, 4u, 8u)) != vec4u(0u);
  let low = select(keys, vec4u(no_key), out);
  let high = select(keys, vec4u(0u), out);
  return vec2u(
    min(span.x, min(min(low.x, low.y), min(low.z, low.w))),
    max(span.y, max(max(high.x, high.y), max(high.z, high.w))),
  );
}

// As \`code_of\`, up to where a code is looked up or rounded.
fn quad_steps(x: vec4f, index: u32, range: vec2f, top_code: f32) -> vec4f {
  if (calibrated) {
    let c0 = channels[index];
    let c1 = channels[index + 1u];
    let c2 = channels[index + 2u];
    let c3 = channels[index + 3u];
    let factor = vec4f(c0.z, c1.z, c2.z, c3.z);
    let offset = vec4f(c0.w, c1.w, c2.w, c3.w);
    if (whole) {
      return x * factor - offset;
    }
    return (x - offset) * factor;
  }
  if (range.x > 0.0) {
    if (whole) {
      return (x - range.y) / range.x * top_code / 2.0;
    }
    return (x - range.y) / range.x;
  }
  return vec4f(0.0);
}
${putQuad(width)}
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
  let count = 4u * token_quads;
  let token = job.from_token + job.first + step;
  token_address = token * fixed_head_dim;
${
    lines(quads, (q) =>
      `  let quad${q} = lane + ${q}u * workgroup_threads;
  // Where there is none, one that is does no harm among keys.
  let x${q} = source[address_of(4u * ${
        whole ? `quad${q}` : `select(${q === 0 ? "0u" : "quad0"}, quad${q}, quad${q} < token_quads)`
      }) / 4u];`)
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
  // Whether all up to the quantiles' outer ranks are outliers, and nothing else: the usual case.
  var clear = false;
  var inner = vec2f(0.0);
  if (sparse && !calibrated) {
    let ranks = quantile_ranks(count);
    let own = quad0 < token_quads;
    let far = vec2u(ranks.y, count - 1u - ranks.z);
    find_bounds(select(no_key, least, own), select(0u, most, own), far, lane);
    let limits = vec2u(atomicLoad(&end_bounds[0]), atomicLoad(&end_bounds[1]));
    if (least <= limits.x) {
      var near = 0u;
${near((key) => `${key} <= limits.x`)}
      note_near(near, 0u, lane);
    }
    if (~most <= limits.y) {
      var near = 0u;
${near((key) => `~${key} <= limits.y`)}
      note_near(near, 1u, lane);
    }
    workgroupBarrier();
    if (lane == 0u) {
      crowd = max(atomicLoad(&near_counts[0]), atomicLoad(&near_counts[1]));
    }
    if (workgroupUniformLoad(&crowd) > near_room) {
      search_all(ranks, lane);
    } else {
      rank_near(ranks, lane);
    }
    workgroupBarrier();
    let outer = vec2f(from_ordered_key(quantile_keys[0]), from_ordered_key(quantile_keys[3]));
    inner = vec2f(from_ordered_key(quantile_keys[1]), from_ordered_key(quantile_keys[2]));
    low = between(outer.x, inner.x, job.low_weight);
    high = between(inner.y, outer.y, job.high_weight);
    clear = outer.x <= low && low < inner.x && inner.y < high && high <= outer.y;
  }
${
    lines(quads, (q) =>
      `  var found${q} = 0u;
  ${has(q)}{ found${q} = outliers_of(x${q}, quad${q}, low, high); }
  note_outliers(quad${q}, found${q});`)
  }
  let mine = ${upTo(quads).map((q) => `countOneBits(found${q})`).join(" + ")};
  if (clear || calibrated) {
    if (mine != 0u) {
      atomicAdd(&outliers, mine);
    }
  } else {
    var span = vec2u(no_key, 0u);
${lines(quads, (q) => `    ${has(q)}{ span = spanned(span, x${q}, found${q}); }`)}
    add_span(mine, span.x, span.y);
  }
  workgroupBarrier();
  var range = vec2f(0.0);
  if (clear) {
    range = range_between(inner.x, inner.y);
  } else {
    range = added_range(low, count);
  }
  note_token(step, range, lane);
${
    width === undefined
      ? lines(quads, (q) =>
        `  ${has(q)}{
    let row = rows[row_of(4u * quad${q})];
    ${put(q)}
  }`)
      : `  let row = rows[0];
${lines(2 ** width - 1, (i) => `  let bound${i} = bounds[row.first_bound + ${i}u];`)}
${lines(quads, (q) => `  ${has(q)}{ ${put(q)} }`)}`
  }
  workgroupBarrier();
  for (var w = lane; w < job.token_words; w += workgroup_threads) {
    codes[(job.first + step) * job.token_words + w] = atomicLoad(&packed[w]);
  }
}
`;
}
