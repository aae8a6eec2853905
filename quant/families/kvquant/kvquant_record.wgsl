// What the kernels that quantize a token share: its range, its outliers and its codes. Before it stands
// `mask_words`, the words that have a bit for each entry of a token.

// Boundaries of every row's codebook.
@group(0) @binding(4) var<storage, read> bounds: array<f32>;
@group(0) @binding(6) var<storage, read_write> codes: array<u32>;
@group(0) @binding(7) var<storage, read_write> scale_zero: array<u32>;
// Per token of this dispatch: how many outliers it has, and a bit for each entry that is one.
@group(0) @binding(8) var<storage, read_write> marks: array<u32>;

var<workgroup> masks: array<atomic<u32>, mask_words>;
// Of what is no outlier the smallest key, turned around, and the largest one.
var<workgroup> inner_low: atomic<u32>;
var<workgroup> inner_high: atomic<u32>;
var<workgroup> outliers: atomic<u32>;

fn between(low: f32, high: f32, weight: f32) -> f32 {
  let step = high - low;
  return select(high - step * (1.0 - weight), low + step * weight, weight < 0.5);
}

// Ranks of the values on both sides of each quantile.
fn quantile_ranks(count: u32) -> vec4u {
  let last = count - 1u;
  return vec4u(
    job.low_rank,
    min(job.low_rank + 1u, last),
    job.high_rank,
    min(job.high_rank + 1u, last),
  );
}

// Counts an invocation's outliers, and adds the span of its other keys to the token's.
fn add_span(mine: u32, least: u32, most: u32) {
  atomicAdd(&outliers, mine);
  atomicMax(&inner_low, ~least);
  atomicMax(&inner_high, most);
}

// Scale and zero point of a token, from the spans that were added before a barrier.
fn added_range(low: f32, count: u32) -> vec2f {
  if (calibrated || atomicLoad(&outliers) >= count) {
    return vec2f(0.0, low);
  }
  return range_between(
    from_ordered_key(~atomicLoad(&inner_low)),
    from_ordered_key(atomicLoad(&inner_high)),
  );
}

// The same, from the smallest and the largest entry that are no outliers.
fn range_between(bottom: f32, top: f32) -> vec2f {
  let scale = (top - bottom) / 2.0;
  var zero = select((top + bottom) / 2.0, bottom, whole);
  if (whole && round_zero && scale > 0.0) {
    let top_code = f32((1u << rows[0].bits) - 1u);
    let per_unit = top_code / (top - bottom);
    zero = clamp(round(bottom * per_unit), -top_code, 0.0) / per_unit;
  }
  return vec2f(scale, zero);
}

fn note_token(step: u32, range: vec2f, lane: u32) {
  if (sparse) {
    let mark = step * (1u + mask_words);
    if (lane == 0u) {
      marks[mark] = atomicLoad(&outliers);
    }
    for (var w = lane; w < mask_words; w += workgroup_threads) {
      marks[mark + 1u + w] = atomicLoad(&masks[w]);
    }
  }
  if (lane == 0u && !calibrated) {
    let unit = job.first + step;
    if (wide) {
      scale_zero[2u * unit] = bitcast<u32>(range.x);
      scale_zero[2u * unit + 1u] = bitcast<u32>(range.y);
    } else {
      scale_zero[unit] = half_bits(range.x) | (half_bits(range.y) << 16u);
    }
  }
}

fn row_of(index: u32) -> u32 {
  var r = 0u;
  while (r + 1u < job.rows && rows[r + 1u].first_code <= index) {
    r++;
  }
  return r;
}

fn code_of(row: CodeRow, index: u32, x: f32, outlier: bool, scale: f32, zero: f32) -> u32 {
  if (outlier) {
    return row.masked_code;
  }
  let top_code = (1u << row.bits) - 1u;
  if (whole) {
    var steps = 0.0;
    if (calibrated) {
      steps = x * channels[index].z - channels[index].w;
    } else if (scale > 0.0) {
      steps = (x - zero) / scale * f32(top_code) / 2.0;
    }
    return u32(clamp(round(steps), 0.0, f32(top_code)));
  }
  var z = 0.0;
  if (calibrated) {
    z = (x - channels[index].w) * channels[index].z;
  } else if (scale > 0.0) {
    z = (x - zero) / scale;
  }
  return code_below(row, z);
}

// Boundaries below a number, by bisection, since they ascend.
fn code_below(row: CodeRow, z: f32) -> u32 {
  var code = 0u;
  for (var half = 1u << (row.bits - 1u); half > 0u; half >>= 1u) {
    code += select(0u, half, z > bounds[row.first_bound + code + half - 1u]);
  }
  return code;
}
