// Boundaries of every row's codebook.
@group(0) @binding(4) var<storage, read> bounds: array<f32>;
@group(0) @binding(6) var<storage, read_write> codes: array<u32>;
@group(0) @binding(7) var<storage, read_write> scale_zero: array<u32>;
// Per token of this dispatch: outliers, and the quantiles beyond which they lie.
@group(0) @binding(8) var<storage, read_write> marks: array<vec3u>;

var<workgroup> inner_low: atomic<u32>;
var<workgroup> inner_high: atomic<u32>;
var<workgroup> outliers: atomic<u32>;

fn between(low: f32, high: f32, weight: f32) -> f32 {
  let step = high - low;
  return select(high - step * (1.0 - weight), low + step * weight, weight < 0.5);
}

@compute @workgroup_size(workgroup_threads)
fn quantize(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = flat_workgroup(id, workgroups);
  if (step >= job.tokens) {
    return;
  }
  let count = job.heads * job.head_dim;
  let unit = job.first + step;
  let token = job.from_token + unit;
  token_address = token * job.head_dim;

  keep_elements(count, lane);
  var low = 0.0;
  var high = 0.0;
  if (sparse && !calibrated) {
    let last = count - 1u;
    let ranks = vec4u(
      job.low_rank,
      min(job.low_rank + 1u, last),
      job.high_rank,
      min(job.high_rank + 1u, last),
    );
    let found = order_statistics(count, ranks, lane);
    low = between(found.x, found.y, job.low_weight);
    high = between(found.z, found.w, job.high_weight);
  }
  if (lane == 0u) {
    atomicStore(&inner_low, 0xffffffffu);
    atomicStore(&inner_high, 0u);
    atomicStore(&outliers, 0u);
  }
  workgroupBarrier();
  var mine = 0u;
  var least_key = no_key;
  var most_key = 0u;
  for (var i = lane; i < count; i += workgroup_threads) {
    let x = kept_element(count, i);
    if (!is_finite_value(x)) {
      report_not_finite(token, job.heads, i / job.head_dim);
    }
    if (is_outlier(i, x, low, high)) {
      mine++;
    } else {
      least_key = min(least_key, ordered_key(x));
      most_key = max(most_key, ordered_key(x));
    }
  }
  atomicAdd(&outliers, mine);
  atomicMin(&inner_low, least_key);
  atomicMax(&inner_high, most_key);
  workgroupBarrier();

  var scale = 0.0;
  var zero = low;
  if (!calibrated && atomicLoad(&outliers) < count) {
    let bottom = from_ordered_key(atomicLoad(&inner_low));
    let top = from_ordered_key(atomicLoad(&inner_high));
    scale = (top - bottom) / 2.0;
    zero = select((top + bottom) / 2.0, bottom, whole);
    if (whole && round_zero && scale > 0.0) {
      let top_code = f32((1u << rows[0].bits) - 1u);
      let per_unit = top_code / (top - bottom);
      zero = clamp(round(bottom * per_unit), -top_code, 0.0) / per_unit;
    }
  }
  if (lane == 0u) {
    marks[step] = vec3u(atomicLoad(&outliers), bitcast<u32>(low), bitcast<u32>(high));
    if (!calibrated) {
      if (wide) {
        scale_zero[2u * unit] = bitcast<u32>(scale);
        scale_zero[2u * unit + 1u] = bitcast<u32>(zero);
      } else {
        scale_zero[unit] = half_bits(scale) | (half_bits(zero) << 16u);
      }
    }
  }

  // Each invocation fills whole words, so codes that straddle two words are computed twice.
  for (var w = lane; w < job.token_words; w += workgroup_threads) {
    var r = 0u;
    while (r + 1u < job.rows && rows[r + 1u].word_offset <= w) {
      r++;
    }
    let row = rows[r];
    let first_bit = (w - row.word_offset) * 32u;
    let top_code = (1u << row.bits) - 1u;
    var word = 0u;
    for (
      var position = first_bit / row.bits;
      position < row.codes && position * row.bits < first_bit + 32u;
      position++
    ) {
      let index = row.first_code + position;
      let x = kept_element(count, index);
      var code = row.masked_code;
      if (!is_outlier(index, x, low, high)) {
        if (whole) {
          var steps = 0.0;
          if (calibrated) {
            steps = x * channels[index].z - channels[index].w;
          } else if (scale > 0.0) {
            steps = (x - zero) / scale * f32(top_code) / 2.0;
          }
          code = u32(clamp(round(steps), 0.0, f32(top_code)));
        } else {
          var z = 0.0;
          if (calibrated) {
            z = (x - channels[index].w) * channels[index].z;
          } else if (scale > 0.0) {
            z = (x - zero) / scale;
          }
          code = 0u;
          for (var b = 0u; b < top_code; b++) {
            code += select(0u, 1u, z > bounds[row.first_bound + b]);
          }
        }
      }
      let bit = i32(position * row.bits) - i32(first_bit);
      if (bit >= 0) {
        word |= code << u32(bit);
      } else {
        word |= code >> u32(-bit);
      }
    }
    codes[unit * job.token_words + w] = word;
  }
}
